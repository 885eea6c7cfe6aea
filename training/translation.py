"""The translation of a SavedModel to ONNX."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import ExportError
from training.stop import interruptible

_SHOWN_LINES = 3


def translate(saved_model: Path, target: Path) -> None:
    """Translate a SavedModel to ONNX; 6 s and 2.1 GB of memory for ResNet-50.

    In a process of its own (`training.translator`), because tf2onnx changes TensorFlow's global
    state. It ends with this one, whatever ends this one. Raises ExportError when it fails,
    Interrupted on SIGTERM; the main thread's only.
    """
    command = [sys.executable, "-m", "training.translator", str(saved_model), str(target)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with interruptible("translating to ONNX"), _open_while_we_live() as pipe:
        done = subprocess.run(
            command, check=False, stdin=pipe, capture_output=True, text=True, env=environment
        )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ExportError(
            f"the translation to ONNX was ended by {name}; ResNet-50 takes 2.1 GB of memory: is "
            "there as much?"
        )
    if done.returncode != 0 or not target.exists():
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ExportError("the translation to ONNX failed: " + " | ".join(lines[-_SHOWN_LINES:]))


@contextmanager
def _open_while_we_live() -> Iterator[int]:
    """Lend a pipe to read from, in which nothing comes until this process or the block ends."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)
