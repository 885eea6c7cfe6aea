"""`python -m training` as users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.eventually import eventually
from training.run.checkpoints import Checkpoints

ROOT = Path(__file__).parents[2]
START_S = 120
SMALL_NETWORK = Path(__file__).with_name("small_network")
STEPS = 6
RECIPE = ["--epochs", "2", "--steps-per-epoch", "3", "--batch-size", "8", "--seed", "5"]
RECIPE += ["--precision", "float32", "--checkpoint-every", "1"]


def small_network() -> dict[str, str]:
    """The environment in which `python -m training` trains a network of a few layers."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(SMALL_NETWORK), str(ROOT)])}


class Published(NamedTuple):
    """A finished run: the folder that it was started in, its own, its store, what it said."""

    folder: Path
    run: Path
    store: str
    output: str


def training(run: Path, data: Path, *arguments: str) -> list[str]:
    """What trains ResNet-50 by `RECIPE`; its cache is beside the run."""
    command = ["train", "--data", str(data), "--run", str(run), *RECIPE]
    return [*command, "--cache", str(run.parent / "cache"), *arguments]


@contextmanager
def started(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs in `folder`, both its streams in one; killed at the block's end."""
    with subprocess.Popen(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder,
        env=environment or os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(
    folder: Path, *arguments: str, code: int = 0, environment: Mapping[str, str] | None = None
) -> str:
    """What a command that ends with this exit code says on both streams."""
    with started(folder, *arguments, environment=environment) as process:
        output, _ = process.communicate(timeout=500)
    assert process.returncode == code, output
    return output


def reach(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Wait until the run has a checkpoint of this step or a later one."""
    checkpoints = Checkpoints(run / "checkpoints")

    def reached() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return bool((steps := checkpoints.steps()) and steps[-1] >= step)

    eventually(reached, within_s=START_S, what=f"a checkpoint of step {step}")
