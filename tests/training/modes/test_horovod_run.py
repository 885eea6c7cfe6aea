"""Whole commands with two Horovod ranks: published, stopped, killed, gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from model_store import open_store
from tests.eventually import eventually
from tests.training.running import small_network
from training.run.checkpoints import Checkpoints

STEPS = 80
RECIPE = ["--epochs", "2", "--steps-per-epoch", "40", "--batch-size", "4", "--seed", "5"]
RECIPE += ["--precision", "float32", "--checkpoint-every", "1", "--resolution", "32@0,64@0.5"]
START_S = 240

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@contextmanager
def started(folder: Path, data: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that trains with two ranks; it and they are killed at the latest at the end."""
    command = [sys.executable, "-m", "training", "train", "--mode", "horovod", "--processes", "2"]
    command += ["--data", str(data), "--cache", str(folder / "cache"), *RECIPE, *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=small_network(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        ranks: list[psutil.Process] = []
        try:
            yield process
        finally:
            with suppress(psutil.NoSuchProcess):
                ranks = list(ranks_of(process).values())
            process.kill()
            for rank in ranks:
                rank.kill()


def ranks_of(launcher: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    """The processes of the ranks by their numbers."""
    ranks = {}
    for process in psutil.Process(launcher.pid).children():
        with suppress(psutil.Error, KeyError):
            ranks[int(process.environ()["HOROVOD_RANK"])] = process
    return ranks


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def reach(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    checkpoints = Checkpoints(folder / "checkpoints")

    def reached() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool((steps := checkpoints.steps()) and steps[-1] >= step)

    eventually(reached, within_s=START_S, what=f"a checkpoint of step {step}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("horovod")


@pytest.fixture(scope="module")
def undisturbed(folder: Path, drawn: Path) -> str:
    """What a run of two ranks says that goes to its end and is published."""
    with started(folder, drawn, "--run", "undisturbed", "--store", f"file://{folder}/s") as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def test_two_ranks_publish_one_version_and_say_so_once(undisturbed: str, folder: Path) -> None:
    manifest = open_store(f"file://{folder}/s").manifest("resnet50", 1)
    assert (manifest.lineage.mode, manifest.lineage.world_size) == ("horovod", 2)
    assert undisturbed.count("published resnet50 version 1") == 1
    assert undisturbed.count("run folder: undisturbed") == 1
    assert undisturbed.count("epoch 2/2: training loss") == 1
    for noise in ("[1,0]", "<stderr>", "rank", "Horovod", "WARNING", "cpu_feature_guard"):
        assert noise not in undisturbed


def test_a_run_that_is_stopped_loses_a_rank_and_is_killed_ends_with_the_very_weights(
    undisturbed: str, folder: Path, drawn: Path
) -> None:
    arguments = ("--run", "killed")
    with started(folder, drawn, *arguments) as process:
        reach(process, folder / "killed", 1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert output.count("error: ") == 1
    assert "stopped by SIGTERM after step" in output.splitlines()[-1]
    stopped_at = Checkpoints(folder / "killed" / "checkpoints").steps()[-1]
    assert stopped_at < STEPS

    with started(folder, drawn, *arguments) as process:
        reach(process, folder / "killed", stopped_at + 1)
        ranks = ranks_of(process)
        ranks[1].kill()
        output, _ = process.communicate(timeout=30)
        assert not any(lives(rank) for rank in ranks.values())
    assert process.returncode == 8, output
    assert f"resuming after step {stopped_at} of {STEPS}" in output
    assert output.count("error: ") == 1
    assert "error: rank 1 on localhost was killed by SIGKILL" in output.splitlines()[-1]

    with started(folder, drawn, *arguments) as process:
        reach(
            process,
            folder / "killed",
            Checkpoints(folder / "killed" / "checkpoints").steps()[-1] + 1,
        )
        ranks = ranks_of(process)
        process.kill()
        eventually(
            lambda: not any(lives(rank) for rank in ranks.values()),
            within_s=30,
            what="an end of the ranks whose launcher is gone",
        )

    with started(folder, drawn, *arguments) as process:
        reach(process, folder / "killed", STEPS)
    ours = Checkpoints(folder / "killed" / "checkpoints").load(STEPS)
    theirs = Checkpoints(folder / "undisturbed" / "checkpoints").load(STEPS)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)


def test_a_loss_that_is_no_number_ends_all_ranks_with_its_exit_code(
    folder: Path, drawn: Path
) -> None:
    with started(folder, drawn, "--run", "diverged", "--learning-rate", "1e38") as process:
        output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 5, output
    assert output.count("error: ") == 1
    assert "the loss is " in output.splitlines()[-1]


def test_data_that_is_missing_ends_with_its_exit_code(folder: Path) -> None:
    with started(folder, folder / "nowhere", "--run", "missing") as process:
        output, _ = process.communicate(timeout=START_S)
    assert process.returncode == 3, output
    assert output.count("error: ") == 1
    assert "nowhere" in output.splitlines()[-1]
