"""`--mode ps` as users start it: real processes, real failures, one machine and two."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_store import open_store
from tests.eventually import eventually
from tests.namespaces import Host, connected_hosts, needs_hosts
from tests.training.running import small_network
from training.modes.cluster import Address, Cluster, Place, Task
from training.run.checkpoints import Checkpoints

START_S = 150
TRAINING = [sys.executable, "-m", "training"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


class Running:
    """A process whose output goes to a file, so that it can be looked at while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def ended(self, within_s: float = START_S) -> int:
        return self.process.wait(within_s)

    def says(self, words: str, *, within_s: float = START_S) -> None:
        def said() -> bool:
            assert words in self.output or self.process.poll() is None, self.output
            return words in self.output

        eventually(said, within_s=within_s, what=f"{words!r}")


@contextmanager
def started(
    arguments: list[str], folder: Path, *, config: Place | None = None, host: Host | None = None
) -> Iterator[Running]:
    """A command of ours, on a host if given; killed at the latest when the block ends."""
    command = [*TRAINING, *arguments]
    environment = {name: text for name, text in small_network().items() if name != "TF_CONFIG"}
    if config is not None:
        environment["TF_CONFIG"] = config.text()
    folder.mkdir(exist_ok=True)
    output = folder / f"{time.monotonic_ns()}.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            host.command(command) if host else command,
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process, output)
    finally:
        process.kill()
        process.wait()


def train(run: Path, data: Path, *options: str) -> list[str]:
    arguments = ["train", "--mode", "ps", "--data", str(data), "--run", str(run)]
    arguments += ["--cache", str(run.parent / "cache"), "--batch-size", "4"]
    arguments += ["--precision", "float32", "--checkpoint-every", "1", "--epochs", "1"]
    return [*arguments, *options]


HERE = ["--workers", "2", "--servers", "2", "--threads", "1"]
LONG = ["--steps-per-epoch", "20000"]


def newest_step(run: Path) -> int:
    steps = Checkpoints(run / "checkpoints").steps()
    return steps[-1] if steps else 0


def reaches(run: Path, step: int, running: Running) -> None:
    def reached() -> bool:
        assert running.process.poll() is None, running.output
        return newest_step(run) >= step

    eventually(reached, within_s=START_S, what=f"step {step}")


def updates(run: Path) -> int:
    """How many updates the newest checkpoint has seen."""
    arrays = Checkpoints(run / "checkpoints").load(newest_step(run)).arrays
    return int(arrays["optimizer/sgd/iteration"])


def roles(coordinator: int) -> dict[str, int]:
    """The processes that a coordinator started, by role."""
    found = {}
    for thread in Path(f"/proc/{coordinator}/task").iterdir():
        for number in (thread / "children").read_text().split():
            environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
            for item in environment:
                if item.startswith(b"TF_CONFIG="):
                    task = json.loads(item.partition(b"=")[2])["task"]
                    found[f"{task['type']} {task['index']}"] = int(number)
    return found


def gone(numbers: dict[str, int]) -> bool:
    return not any(Path(f"/proc/{number}").exists() for number in numbers.values())


def test_two_workers_and_two_servers_train_a_version(tmp_path: Path, drawn: Path) -> None:
    run, store = tmp_path / "run", f"file://{tmp_path}/shelf"
    options = ["--epochs", "2", "--steps-per-epoch", "4", "--ema", "0.9", "--store", store]
    options += ["--resolution", "32@0,64@0.5"]
    with started(train(run, drawn, *HERE, *options), tmp_path) as running:
        assert running.ended(300) == 0, running.output
    output = running.output
    assert "published resnet50 version 1" in output
    for noise in ("E0000", "WARNING", "ERROR", "grpc", "cluster_spec"):
        assert noise not in output
    assert open_store(store).manifest("resnet50", 1).lineage.mode == "ps"
    # Nothing was killed, so each step was trained by exactly one worker.
    assert (newest_step(run), updates(run)) == (8, 8)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if line["kind"] == "eval"]
    assert [(line["step"], line["images"]) for line in evaluated] == [(4, 200), (8, 200)]
    # The export is what the last evaluation measured.
    assert f"saved_model.pb: top-1 {evaluated[-1]['top1']:.2%}" in output


def test_a_lost_worker_is_started_again_and_all_end_with_a_coordinator_that_is_killed(
    tmp_path: Path, drawn: Path
) -> None:
    run = tmp_path / "run"
    with started(train(run, drawn, *HERE, *LONG), tmp_path) as running:
        reaches(run, 2, running)
        before = roles(running.process.pid)
        assert sorted(before) == ["ps 0", "ps 1", "worker 0", "worker 1"]
        os.kill(before["worker 1"], signal.SIGKILL)
        running.says("worker 1 was killed by SIGKILL; it is started again", within_s=60)
        reaches(run, newest_step(run) + 5, running)
        after = roles(running.process.pid)
        assert after.keys() == before.keys()
        assert after["worker 1"] != before["worker 1"]
        running.process.kill()
        running.process.wait()
        eventually(lambda: gone(after), within_s=30, what="an end of all processes")
    step = newest_step(run)
    # A step that was under way on the lost worker may have sent its updates already.
    assert step <= updates(run) <= step + 1


def test_a_lost_server_stops_the_run_which_goes_on_from_its_checkpoint_until_it_is_stopped(
    tmp_path: Path, drawn: Path
) -> None:
    run = tmp_path / "run"
    with started(train(run, drawn, *HERE, *LONG), tmp_path) as running:
        reaches(run, 2, running)
        children = roles(running.process.pid)
        os.kill(children["ps 1"], signal.SIGKILL)
        assert running.ended(60) == 8, running.output
        assert gone(children)
    last_line = running.output.splitlines()[-1]
    assert last_line.startswith("error: server 1 was killed by SIGKILL")
    assert "the same command goes on from the newest checkpoint" in last_line
    stopped_at = newest_step(run)
    with started(train(run, drawn, *HERE, *LONG), tmp_path) as running:
        running.says(f"resuming after step {stopped_at} of 20000")
        reaches(run, stopped_at + 2, running)
        stops(running, signal.SIGTERM)
    assert newest_step(run) >= stopped_at + 2
    assert updates(run) == newest_step(run)


def test_a_run_that_is_stopped_early_has_a_checkpoint(tmp_path: Path, drawn: Path) -> None:
    run = tmp_path / "run"
    options = [*HERE, *LONG, "--checkpoint-every", "400"]
    with started(train(run, drawn, *options), tmp_path) as running:
        eventually(
            lambda: len(roles(running.process.pid)) == 4, within_s=START_S, what="all processes"
        )
        stops(running, signal.SIGINT)
    # Steps that were in flight have ended: what the checkpoint says is what was trained.
    assert updates(run) == newest_step(run)


def stops(running: Running, number: signal.Signals) -> None:
    """Send a signal; the run ends in order, saying so, and leaves no process."""
    children = roles(running.process.pid)
    running.process.send_signal(number)
    assert running.ended() == 128 + number, running.output
    assert gone(children)
    assert f"stopped by {number.name} after step" in running.output


def free_address(host: str = "127.0.0.1") -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address(host, probe.getsockname()[1])


def small_cluster() -> Cluster:
    chief, worker, server = free_address(), free_address(), free_address()
    return Cluster(chief, (worker,), (server,))


def test_a_role_that_nobody_plays_is_named_in_time(tmp_path: Path, drawn: Path) -> None:
    cluster = small_cluster()
    server = Place(cluster, Task("ps"))
    coordinator = Place(cluster, Task("chief"))
    with started(["server"], tmp_path, config=server) as other:
        other.says("server 0 listens at")
        command = train(tmp_path / "run", drawn, "--patience", "3")
        with started(command, tmp_path, config=coordinator) as running:
            assert running.ended() == 8
    worker = cluster.workers[0]
    assert f"nobody answers as worker 0 at {worker} after 3 s" in running.output
    assert "start python -m training worker there" in running.output


def test_a_role_ends_when_told_to(tmp_path: Path) -> None:
    with started(["worker"], tmp_path, config=Place(small_cluster(), Task("worker"))) as running:
        running.says("worker 0 listens at")
        running.process.send_signal(signal.SIGTERM)
        assert running.ended(20) == 0


def test_what_cannot_start_says_why(tmp_path: Path, drawn: Path) -> None:
    cluster = small_cluster()
    with started(["server"], tmp_path, config=Place(cluster, Task("worker"))) as running:
        assert running.ended() == 2
    assert "TF_CONFIG says that this is worker 0; start it with: python -m training worker" in (
        running.output
    )
    with started(["worker"], tmp_path) as running:
        assert running.ended() == 2
    assert "error: TF_CONFIG isn't set" in running.output
    with (
        socket.create_server(("127.0.0.1", cluster.servers[0].port)),
        started(["server"], tmp_path, config=Place(cluster, Task("ps"))) as running,
    ):
        assert running.ended() == 2
    assert f"port {cluster.servers[0].port}, where server 0 is to listen" in running.output
    with started(train(tmp_path / "run", drawn), tmp_path) as running:
        assert running.ended() == 2
    assert "--mode ps needs --workers N" in running.output


@needs_hosts
def test_across_two_hosts_a_lost_worker_comes_back_and_its_loss_ends_nothing(
    tmp_path: Path, drawn: Path
) -> None:
    run = tmp_path / "run"
    with connected_hosts(2) as (a, b):
        cluster = Cluster(
            Address(a.address, 2220),
            (Address(b.address, 2220), Address(b.address, 2221)),
            (Address(a.address, 2221),),
        )
        workers = [Place(cluster, Task("worker", index)) for index in range(2)]
        # The second one is told by `train --mode ps` alone what it is.
        with (
            started(["server"], tmp_path, config=Place(cluster, Task("ps")), host=a),
            started(["worker"], tmp_path, config=workers[0], host=b) as first,
            started(["train", "--mode", "ps"], tmp_path, config=workers[1], host=b) as second,
            started(
                train(run, drawn, *LONG), tmp_path, config=Place(cluster, Task("chief")), host=a
            ) as coordinator,
        ):
            reaches(run, 2, coordinator)
            first.says(f"worker 0 listens at {b.address}:2220")
            second.process.kill()
            coordinator.says("worker 1 at 10.77.0.2:2221 doesn't answer", within_s=60)
            reaches(run, newest_step(run) + 3, coordinator)
            with started(["worker"], tmp_path, config=workers[1], host=b):
                coordinator.says("worker 1 at 10.77.0.2:2221 answers again", within_s=60)
                reaches(run, newest_step(run) + 3, coordinator)
                coordinator.process.send_signal(signal.SIGTERM)
                assert coordinator.ended() == 143, coordinator.output
    step = newest_step(run)
    assert step <= updates(run) <= step + 1
