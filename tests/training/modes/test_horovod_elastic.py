"""Runs that lose a host and gain another: three hosts, one of which joins later."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.eventually import eventually
from tests.namespaces import Host, connected_hosts, needs_hosts, ssh_between
from tests.training.running import small_network
from training.errors import ProcessLost, UsageError
from training.memory import REMEMBER_EVERY_STEPS, Remembering
from training.model import Architecture
from training.modes.horovod_crowd import Crowd, crowd_of, hosts_now
from training.modes.horovod_discovery import Discovery
from training.modes.horovod_messages import Ended
from training.modes.horovod_verdict import RankEnd, elastic_error_of, loss_of
from training.position import Position
from training.run.checkpoints import Checkpoint, Checkpoints
from training.run.folder import RunFolder
from training.run.metrics_log import MetricsLog, TrainLine
from training.settings import Job
from training.trainee import make_trainee

STEPS = 5000
RECIPE = ["--epochs", "1", "--steps-per-epoch", str(STEPS), "--batch-size", "4", "--seed", "5"]
RECIPE += ["--precision", "float32", "--checkpoint-every", "5"]
START_S = 240


@pytest.mark.system
@pytest.mark.timeout(900)
@needs_hosts
def test_a_run_survives_a_lost_host_a_new_one_and_an_end_of_all(
    tmp_path: Path, drawn: Path
) -> None:
    (tmp_path / "keys").mkdir()
    hosts = tmp_path / "hosts"
    with (
        connected_hosts(3) as (a, b, c),
        ssh_between([a, b, c], tmp_path / "keys") as ssh,
    ):
        hosts.write_text(f"{a.address}:1\n{b.address}:1\n")
        program = _program(tmp_path, f"cat {hosts}")
        with _started(a, ssh, tmp_path, drawn, program) as process:
            _reach(process, tmp_path, 5)
            for rank in _ranks_on(b):
                os.kill(rank, signal.SIGKILL)
            lost_at = _last_step(tmp_path)
            survivor = _ranks_on(a)
            _reach(process, tmp_path, lost_at + 5)
            assert _ranks_on(a) == survivor

            hosts.write_text(f"{a.address}:1\n{c.address}:1\n")
            eventually(lambda: _ranks_on(c), within_s=60, what="a rank on the host that joined")
            _reach(process, tmp_path, _last_step(tmp_path) + 5)
            assert _ranks_on(a) == survivor
            assert _ranks_on(c)

            process.kill()
            eventually(lambda: not _ranks_on(a) + _ranks_on(c), within_s=30, what="an end of all")
            ended_at = _last_step(tmp_path)
            said = process.communicate()[0]
        with _started(a, ssh, tmp_path, drawn, program) as process:
            _reach(process, tmp_path, ended_at + 5)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=120)
    assert re.search(rf"^rank [01] on {b.address} was killed", said, re.MULTILINE)
    assert said.count("; ranks: 1") == 1
    assert said.count("; ranks: 2") == 1
    assert process.returncode == 143, output
    assert f"resuming after step {ended_at} of {STEPS}" in output
    assert "stopped by SIGTERM after step" in output.splitlines()[-1]
    settings = RunFolder(tmp_path / "run").settings()
    assert settings is not None
    assert settings.world_size == 2
    steps = [
        line.step
        for line in MetricsLog(tmp_path / "run" / "metrics.jsonl").lines()
        if isinstance(line, TrainLine)
    ]
    assert steps == sorted(set(steps))


@contextmanager
def _started(
    host: Host, ssh: list[str], folder: Path, data: Path, discovery: Path
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "training", "train", "--mode", "horovod-cluster", "--elastic"]
    command += ["--max", "2", "--discovery", str(discovery), "--ssh", shlex.join(ssh), *RECIPE]
    command += ["--data", str(data), "--cache", str(folder / "cache"), "--run", "run"]
    process = host.start(
        command,
        cwd=folder,
        env=small_network(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _reach(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    def reached() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return _last_step(folder) >= step

    eventually(reached, within_s=START_S, what=f"a checkpoint of step {step}")


def _last_step(folder: Path) -> int:
    return max(Checkpoints(folder / "run" / "checkpoints").steps(), default=0)


def _ranks_on(host: Host) -> list[int]:
    return [number for number in host.processes() if _is_rank(number)]


def _is_rank(number: int) -> bool:
    try:
        process = psutil.Process(number)
        alive = process.status() != psutil.STATUS_ZOMBIE and "python" in process.name()
        return alive and "HOROVOD_RANK" in process.environ()
    except psutil.Error:
        return False


def _program(folder: Path, command: str) -> Path:
    program = folder / "discover"
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    return program


def test_discovery_reads_what_the_program_prints(tmp_path: Path) -> None:
    program = _program(tmp_path, "echo a:2; echo; echo 10.0.0.1:1")
    assert Discovery(str(program)).find_available_hosts_and_slots() == {"a": 2, "10.0.0.1": 1}
    nobody = _program(tmp_path, "true")
    assert Discovery(str(nobody)).find_available_hosts_and_slots() == {}


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("echo no power >&2; exit 3", "ended with exit code 3, saying no power"),
        ("echo 'a b'", "isn't HOST:PROCESSES"),
    ],
)
def test_discovery_that_fails_is_named_with_what_it_says(
    tmp_path: Path, command: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        hosts_now(str(_program(tmp_path, command)))


def test_an_elastic_job_says_who_may_take_part(tmp_path: Path) -> None:
    program = str(_program(tmp_path, "echo a:1"))
    job = Job(mode="horovod-cluster", elastic=True, discovery=program, max=4)
    assert crowd_of(job) == Crowd(program, least=1, most=4)


@pytest.mark.parametrize(
    ("job", "complaint"),
    [
        (Job(elastic=True, max=2), "--elastic needs --discovery PROGRAM and --max N"),
        (Job(elastic=True, discovery="x"), "--elastic needs --discovery PROGRAM and --max N"),
        (Job(elastic=True, discovery="x", max=2, hosts="a:1"), "leave --hosts out"),
        (Job(elastic=True, discovery="x", max=2, min=3), "--min 3 is more than --max 2"),
    ],
)
def test_an_elastic_job_that_cant_be_is_refused(job: Job, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        crowd_of(job)


def test_a_discovery_program_that_isnt_there_is_named() -> None:
    with pytest.raises(UsageError, match="--discovery /nowhere/x: "):
        hosts_now("/nowhere/x")


def _end(rank: int, exit_code: int, report: Ended | None = None) -> RankEnd:
    return RankEnd(rank=rank, host="ab"[rank], exit_code=exit_code, report=report)


def test_ranks_that_were_lost_on_the_way_are_no_error_of_a_run_that_got_to_its_end() -> None:
    assert elastic_error_of([_end(1, -9), _end(0, 0)], Path("x"), None) is None


def test_a_run_ends_with_what_its_last_ranks_said_whoever_was_lost_before() -> None:
    ends = [_end(1, -9), _end(0, 143, Ended("stopped, says 0", 143))]
    error = elastic_error_of(ends, Path("x"), signal.SIGTERM)
    assert error is not None
    assert (str(error), error.exit_code) == ("stopped, says 0", 143)


def test_a_run_that_lost_all_its_ranks_names_the_first() -> None:
    error = elastic_error_of([_end(1, -9), _end(0, -9)], Path("x"), None)
    assert isinstance(error, ProcessLost)
    assert str(error).startswith("rank 1 on b was killed by SIGKILL")
    assert isinstance(elastic_error_of([], Path("x"), None), ProcessLost)


def test_a_loss_is_told_in_a_line() -> None:
    assert loss_of(_end(1, -9)) == "rank 1 on b was killed by SIGKILL"
    assert loss_of(_end(0, 3, Ended("no data", 3))) == "rank 0 on a: no data"


class Actions:
    """Moves on, and counts what was saved."""

    def __init__(self) -> None:
        self.saved: list[int] = []

    def train(self, now: Position) -> Position:
        return Position(step=now.step + 1)

    def evaluate(self, now: Position) -> Position:
        return Position(step=now.step, evaluated_step=now.step)

    def save(self, now: Position) -> None:
        self.saved.append(now.step)


class Kept:
    """A memory of this process alone."""

    hosts_changed = False

    def __init__(self) -> None:
        self.checkpoints: list[Checkpoint] = []

    def remember(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint)

    def recall(self) -> Checkpoint | None:
        return self.checkpoints[-1] if self.checkpoints else None


def test_a_run_is_remembered_every_few_steps_and_with_each_checkpoint() -> None:
    trainee = make_trainee(
        Architecture(classes=2, depths=(1,), width=2),
        precision="float32",
        seed=0,
        momentum=0.9,
        with_average=False,
    )
    actions, kept = Actions(), Kept()
    remembering = Remembering(actions, kept, trainee)
    now = Position()
    for _ in range(2 * REMEMBER_EVERY_STEPS + 3):
        now = remembering.train(now)
    remembering.save(now)
    remembered = [checkpoint.position.step for checkpoint in kept.checkpoints]
    assert remembered == [REMEMBER_EVERY_STEPS, 2 * REMEMBER_EVERY_STEPS, now.step]
    assert actions.saved == [now.step]
    assert remembering.evaluate(now).evaluated_step == now.step
    for name, array in trainee.arrays().items():
        np.testing.assert_array_equal(kept.checkpoints[-1].arrays[name], array)
