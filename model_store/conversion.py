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

from model_store.errors import InvalidVersion, StoreError
from model_store.layout import ONNX_SUFFIX, SAVED_MODEL

_NEEDS = ("training", "tensorflow", "tf2onnx")
# What `python -m training` ends with when the fault is the user's: usage, data, model.
_REFUSALS = frozenset({2, 3, 6})
_ERROR = "error: "


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
    can't convert.
    """
    check_convertible(folder)
    check_environment(_NEEDS)
    with tempfile.TemporaryDirectory(prefix="hotshelf-convert-") as temporary:
        out = Path(temporary, "out")
        command = [sys.executable, "-m", "training", "convert", str(folder), str(out), *options]
        _run(command, say)
        yield Converted(out / "version", out / "data.json")


def check_convertible(folder: Path) -> None:
    """Raise InvalidVersion unless the folder holds a SavedModel and no ONNX model yet."""
    if not (folder / SAVED_MODEL).is_file():
        raise InvalidVersion(f"{folder} holds no {SAVED_MODEL}; name the folder of a SavedModel")
    onnx = sorted(path.name for path in folder.glob(f"*{ONNX_SUFFIX}"))
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


def _run(command: Sequence[str], say: Callable[[str], None]) -> None:
    reason = "it didn't say why"
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
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
            f"the conversion was ended by {name}; ResNet-50 takes 4.5 GB of memory: is there as"
            " much?"
        )
    if process.returncode != 0:
        raise StoreError(f"the conversion failed: {reason}")
