"""Publishing a SavedModel of other origin: training's command line makes it ready.

A process of its own does the work, because this package stands without TensorFlow.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from model_store.errors import InvalidVersion, StoreError
from model_store.layout import ONNX_SUFFIX, SAVED_MODEL
from model_store.os_errors import os_edge

_NEEDS = ("training", "tensorflow", "tf2onnx")
# What `python -m training` ends with when the fault is the user's: usage, data, model.
_REFUSALS = frozenset({2, 3, 6})
_ERROR = "error: "
# How long a conversion that is told to end may take to remove what it began.
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Converted:
    """A folder that can be published, and the file with its signature, metrics and lineage."""

    folder: Path
    data: Path


@contextmanager
def converted(
    folder: Path, options: Sequence[str], *, say: Callable[[str], None]
) -> Iterator[Converted]:
    """Lend what `python -m training convert FOLDER OUT OPTIONS` makes of a SavedModel.

    Raises InvalidVersion with its one-line reason where it refuses, and where this environment
    can't convert. Whatever ends the block, SIGTERM too, nothing runs or lies about afterwards; the
    main thread's only.
    """
    check_convertible(folder)
    check_environment(_NEEDS)
    with (
        _exit_on_sigterm(),
        tempfile.TemporaryDirectory(prefix="hotshelf-convert-") as temporary,
    ):
        out = Path(temporary, "out")
        command = [sys.executable, "-m", "training", "convert", str(folder), str(out), *options]
        _run(command, say)
        yield Converted(out / "version", out / "data.json")


def check_convertible(folder: Path) -> None:
    """Raise InvalidVersion unless the folder holds a SavedModel and no ONNX model yet."""
    with os_edge("reading", folder):
        found = (folder / SAVED_MODEL).is_file()
        onnx = sorted(path.name for path in folder.glob(f"*{ONNX_SUFFIX}"))
    if not found:
        raise InvalidVersion(f"{folder} holds no {SAVED_MODEL}; name the folder of a SavedModel")
    if onnx:
        raise InvalidVersion(
            f"{folder} holds {onnx[0]} already; publish it as it is with --data FILE, or remove it"
        )


def check_environment(modules: Sequence[str]) -> None:
    """Raise InvalidVersion, saying where to run this, unless this Python finds the modules."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidVersion(
            f"converting a SavedModel needs {', '.join(missing)}, which {sys.executable} hasn't;"
            " in Hotshelf's folder, run this again with .venv/training/bin/python"
            " (`make .venv/training/.installed` makes it)"
        )


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Have SIGTERM raise SystemExit within the block, with the exit code that shells show for it.

    A second one ends the process at once.
    """

    def leave(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        signal.signal(signal_number, before)
        sys.exit(128 + signal_number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Have a process for the length of the block; it is ended if the block is left early."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _run(command: Sequence[str], say: Callable[[str], None]) -> None:
    reason = "it didn't say why"
    with _started(command) as process:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        for line in process.stderr:
            if line.startswith(_ERROR):
                reason = line.removeprefix(_ERROR).strip()
            else:
                say(line.rstrip())
    if process.returncode in _REFUSALS:
        raise InvalidVersion(reason)
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise StoreError(
            f"the conversion was ended by {name}; ResNet-50 takes 2.1 GB of memory: is there as"
            " much?"
        )
    if process.returncode != 0:
        raise StoreError(f"the conversion failed: {reason}")
