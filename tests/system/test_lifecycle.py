"""Starting, stopping, crashing."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from pathlib import Path

import onnx
import pytest
import requests
from PIL import Image

from model_store import ModelStore
from service.engine.device import count_gpus
from service.engine.process import MOST_FAILED_RUNS
from tests.eventually import eventually
from tests.system.running import (
    LINEAGE,
    ROOT,
    SERVICE_PYTHON,
    SIGNATURE,
    STOP_S,
    Crowd,
    Service,
    free_port,
    publish,
    service,
    settings,
)
from tests.tiny_model import model_that_fails_on_white, write_version

pytestmark = pytest.mark.system


def test_stopping_under_load_answers_what_was_accepted_and_exits_cleanly(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        with Crowd(running.url, clients=8) as crowd:
            crowd.wait_for_answers(50)
            running.process.terminate()
            assert running.process.wait(STOP_S) == 0
        # Whoever tries again finds nobody listening; what had been accepted was answered.
        assert all("ConnectionError" in each for each in crowd.failures), crowd.failures
    assert {status for status, _ in crowd.answers} == {200}


def test_a_killed_engine_is_replaced(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        with Crowd(running.url, clients=8) as crowd:
            crowd.wait_for_answers(50)
            first = running.engine_pid()
            os.kill(first, signal.SIGKILL)
            crowd.wait_for_answers(50)
        assert running.engine_pid() != first
        assert running.is_ready()
    statuses = {status for status, _ in crowd.answers}
    assert statuses <= {200, 503}, "an absent engine is 503, never a broken answer"
    assert "the engine ended (killed by SIGKILL)" in running.said()


def test_an_engine_whose_runs_all_fail_gives_way_to_a_new_one(
    local_store: ModelStore, tmp_path: Path
) -> None:
    folder = write_version(tmp_path / "1", 1)
    onnx.save(model_that_fails_on_white(1), folder / "model.onnx")
    local_store.publish("resnet50", folder, signature=SIGNATURE, metrics={}, lineage=LINEAGE)
    white = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(white, "PNG")
    with service(local_store.url, tmp_path / "run") as running:
        first = running.engine_pid()
        for _ in range(MOST_FAILED_RUNS):
            assert running.predict(white.getvalue()).status_code == 500
        eventually(
            lambda: running.engine_pids() not in ([], [first]), within_s=20, what="a new one"
        )
        eventually(running.is_ready, within_s=20, what="the service is ready again")
        assert running.predict().status_code == 200
    assert "5 runs in a row failed" in running.said()


@pytest.mark.timed
def test_an_engine_that_hangs_makes_the_service_not_ready_within_two_seconds(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        engine = running.engine_pid()
        os.kill(engine, signal.SIGSTOP)
        try:
            asked = time.monotonic()
            answer = requests.get(f"{running.url}/readyz", timeout=10)
            assert time.monotonic() - asked < 2
        finally:
            os.kill(engine, signal.SIGCONT)
        assert answer.status_code == 503
        assert "no answer in time" in answer.json()["reason"]
        eventually(running.is_ready, within_s=10, what="the service is ready again")
        assert running.engine_pid() == engine


def test_nothing_is_left_when_the_supervisor_is_killed(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        family = running.processes()
        assert len(family) == 5, "supervisor, engine, gunicorn, two workers"
        running.process.kill()
        running.process.wait()
        eventually(
            lambda: not any(alive(each) for each in family), within_s=20, what="all of it ended"
        )


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def start_and_fail(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SERVICE_PYTHON, "-m", "service"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("HOTSHELF_PORT", "eighty", "whole number from 1 to 65,535"),
        ("HOTSHELF_PROT", "80", "did you mean HOTSHELF_PORT"),
        ("HOTSHELF_STORE", "ftp://somewhere", "file:///"),
        ("HOTSHELF_HOST", "203.0.113.1", "can't listen on 203.0.113.1"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_clear_line(
    variable: str, value: str, reason: str
) -> None:
    ended = start_and_fail(**{variable: value})
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert variable.removeprefix("HOTSHELF_") in line
    assert reason in line


def test_a_port_in_use_stops_the_start_with_one_clear_line(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        port = int(running.url.rsplit(":", 1)[1])
        ended = start_and_fail(**settings(local_store.url, tmp_path / "cache", port))
        assert_still_serving(running)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert f"can't listen on 127.0.0.1:{port}" in line


@pytest.mark.skipif(count_gpus() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_stops_the_start(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    asked = {**settings(local_store.url, tmp_path, free_port()), "HOTSHELF_DEVICE": "cuda"}
    ended = start_and_fail(**asked)
    assert ended.returncode == 2
    assert "HOTSHELF_DEVICE=cuda: CUDA was asked for, but" in ended.stderr
    assert "next one in" not in ended.stderr


def assert_still_serving(running: Service) -> None:
    assert running.predict().ok
