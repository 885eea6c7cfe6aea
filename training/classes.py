"""`classes.json`: what each output of an export stands for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.data.layout import ClassName
from training.errors import ExportError
from training.signature import CLASSES


def write_classes(folder: Path, classes: tuple[ClassName, ...]) -> None:
    """Write [{"wnid", "label", "names"}, …] in the order of outputs."""
    (folder / CLASSES).write_bytes(msgspec.json.format(msgspec.json.encode(classes)) + b"\n")


def read_classes(folder: Path) -> tuple[ClassName, ...]:
    """Return the classes of an export. Raises ExportError when they are missing or damaged."""
    try:
        return msgspec.json.decode((folder / CLASSES).read_bytes(), type=tuple[ClassName, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise ExportError(f"{folder / CLASSES}: {error}") from None
