"""The load test against the real service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model_store import ModelStore
from tests.system.running import ROOT, publish, service

pytestmark = pytest.mark.system

PYTHON = ROOT / ".venv" / "loadtest" / "bin" / "python"


def locust(url: str, *options: str, seconds: int = 3) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            PYTHON, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless",
            "--host", url, "--users", "10", "--run-time", f"{seconds}s", "--loglevel", "WARNING",
            "--only-summary", *options,
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def result(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_sound_service_passes_and_a_promise_that_is_not_held_is_named(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        done = locust(running.url, "--result", str(tmp_path / "result.json"))
        strict = locust(running.url, "--slo", "p50<0.01ms")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    assert result(tmp_path / "result.json")["summary"]["single"]["requests"] > 100
    assert strict.returncode == 1
    assert "not <0.01ms" in strict.stdout
