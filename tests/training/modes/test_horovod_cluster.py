"""Two hosts with addresses of their own, reached by ssh: one command trains on both."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_store import open_store
from tests.eventually import eventually
from tests.namespaces import Host, connected_hosts, needs_hosts, ssh_between
from tests.training.running import small_network
from training.run.checkpoints import Checkpoints

RECIPE = ["--epochs", "1", "--steps-per-epoch", "120", "--batch-size", "4", "--seed", "5"]
RECIPE += ["--precision", "float32", "--checkpoint-every", "1"]
START_S = 240
STOP_S = 30

pytestmark = [pytest.mark.system, pytest.mark.timeout(900), needs_hosts]


class Cluster:
    """Two hosts, the ssh command between them, and a folder and data that both see."""

    def __init__(self, hosts: list[Host], ssh: list[str], folder: Path, data: Path) -> None:
        self.here, self.there = hosts
        self.ssh = ssh
        self.folder = folder
        self.data = data

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command on the first host; whatever is left of it is killed at the end."""
        hosts = f"{self.here.address}:1,{self.there.address}:1"
        command = [sys.executable, "-m", "training", "train", "--mode", "horovod-cluster"]
        command += ["--hosts", hosts, "--ssh", shlex.join(self.ssh), "--run", "run", *RECIPE]
        command += ["--data", str(self.data), "--cache", str(self.folder / "cache")]
        process = self.here.start(
            [*command, *arguments],
            cwd=self.folder,
            env=small_network(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def reach(self, process: subprocess.Popen[str], step: int) -> None:
        checkpoints = Checkpoints(self.folder / "run" / "checkpoints")

        def reached() -> bool:
            assert process.poll() is None, process.communicate()[0]
            return bool((steps := checkpoints.steps()) and steps[-1] >= step)

        eventually(reached, within_s=START_S, what=f"a checkpoint of step {step}")

    def last_step(self) -> int:
        return Checkpoints(self.folder / "run" / "checkpoints").steps()[-1]

    def trainers(self, host: Host) -> list[int]:
        """The training processes on a host, but the command itself."""
        return [number for number in host.processes() if _rank_of(number) is not None]


def _rank_of(number: int) -> int | None:
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE or "python" not in process.name():
            return None
        return int(process.environ()["HOROVOD_RANK"])
    except (psutil.Error, KeyError):
        return None


@pytest.fixture
def cluster(tmp_path: Path, drawn: Path) -> Iterator[Cluster]:
    with connected_hosts(2) as hosts:
        keys = tmp_path / "keys"
        keys.mkdir()
        with ssh_between(hosts, keys) as ssh:
            yield Cluster(hosts, ssh, tmp_path, drawn)


def test_two_hosts_train_one_version_through_a_stop_a_lost_rank_and_a_lost_launcher(
    cluster: Cluster,
) -> None:
    with cluster.started() as process:
        cluster.reach(process, 1)
        assert [_rank_of(number) for number in cluster.trainers(cluster.here)] == [0]
        assert [_rank_of(number) for number in cluster.trainers(cluster.there)] == [1]
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "stopped by SIGTERM after step" in output.splitlines()[-1]
    _nobody_trains(cluster)

    with cluster.started() as process:
        cluster.reach(process, cluster.last_step() + 1)
        for number in cluster.trainers(cluster.there):
            os.kill(number, signal.SIGKILL)
        output, _ = process.communicate(timeout=STOP_S)
    assert process.returncode == 8, output
    assert f"error: rank 1 on {cluster.there.address} was killed" in output.splitlines()[-1]
    _nobody_trains(cluster)

    with cluster.started() as process:
        cluster.reach(process, cluster.last_step() + 1)
        process.kill()
        _nobody_trains(cluster)

    with cluster.started("--store", f"file://{cluster.folder}/shelf") as process:
        output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 0, output
    assert "resuming after step" in output
    assert output.count("published resnet50 version 1") == 1
    lineage = open_store(f"file://{cluster.folder}/shelf").manifest("resnet50", 1).lineage
    assert (lineage.mode, lineage.world_size) == ("horovod-cluster", 2)


def test_a_host_that_lets_nobody_in_is_named_with_what_ssh_says(cluster: Cluster) -> None:
    (cluster.folder / "keys" / "authorized_keys").write_text("")
    with cluster.started() as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 8, output
    assert output.count("error: ") == 1
    line = output.splitlines()[-1]
    assert f"error: rank 1 on {cluster.there.address} was killed, or its host can't be" in line
    assert "Permission denied" in line
    _nobody_trains(cluster)


def _nobody_trains(cluster: Cluster) -> None:
    eventually(
        lambda: not cluster.trainers(cluster.here) + cluster.trainers(cluster.there),
        within_s=STOP_S,
        what="an end of all ranks on both hosts",
    )
