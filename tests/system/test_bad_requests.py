"""Nothing that a client sends breaks the service, holds it up, or harms other clients."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.bad_requests import BadRequests
from tests.system.running import Crowd
from tests.system.storm import storm
from tests.system.two_versions import ADMIN_TOKEN, CLIENTS_PYTHON, TwoVersions, two_versions

pytestmark = pytest.mark.system

# What workers may keep of the largest bodies they met; a leak in each request would be more.
KEPT_MB = 40


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TwoVersions]:
    with two_versions(tmp_path) as found:
        yield found


def test_thousands_of_bad_requests_are_refused_and_nobody_else_is_harmed(
    running: TwoVersions,
) -> None:
    def send(count: int, seed: int) -> None:
        makers = [BadRequests(seed + number).make for number in range(4)]
        found = storm(running.url, makers, count)
        assert found.failures == []
        assert found.statuses[400] > count / 4

    send(1000, seed=0)
    before_mb = running.service.memory_mb()
    with Crowd(running.url, clients=2) as crowd:
        crowd.wait_for_answers(10)
        send(3000, seed=100)
        crowd.wait_for_answers(10)
    assert crowd.failures == []
    assert running.service.memory_mb() < before_mb + KEPT_MB
    assert "Traceback" not in running.service.said()


@pytest.mark.parametrize("token", ["", ADMIN_TOKEN], ids=["a user", "an admin"])
def test_schemathesis_finds_nothing_wrong(running: TwoVersions, token: str) -> None:
    arguments = ["--header", f"Authorization: Bearer {token}"] if token else []
    done = subprocess.run(
        [
            *(CLIENTS_PYTHON.with_name("schemathesis"), "run", f"{running.url}/openapi.json"),
            # A schema can't say which bytes are an image.
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--max-examples", "5", "--phases", "examples,coverage,fuzzing", "--no-color"),
            *("--continue-on-failure", "--generation-database", "none", "--seed", "1"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=running.service.log.parent,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Traceback" not in running.service.said()


def test_the_document_is_valid_openapi(running: TwoVersions, tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(running.service.get("/openapi.json")))
    validator = CLIENTS_PYTHON.with_name("openapi-spec-validator")
    done = subprocess.run([validator, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
