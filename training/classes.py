"""`classes.json`: what each output of an export stands for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.data.layout import WNID, ClassName
from training.errors import ExportError
from training.signature import CLASSES

_SHAPES = 'a list of {"wnid", "label", "names"} or of names, in the order of outputs'


def write_classes(folder: Path, classes: tuple[ClassName, ...]) -> None:
    """Write [{"wnid", "label", "names"}, …] in the order of outputs."""
    (folder / CLASSES).write_bytes(msgspec.json.format(msgspec.json.encode(classes)) + b"\n")


def read_classes(folder: Path) -> tuple[ClassName, ...]:
    """Return the classes of an export. Raises ExportError when they are missing or damaged."""
    try:
        return msgspec.json.decode((folder / CLASSES).read_bytes(), type=tuple[ClassName, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise ExportError(f"{folder / CLASSES}: {error}") from None


class _Named(msgspec.Struct, frozen=True):
    label: str
    wnid: str = ""
    names: str = ""


def parse_classes(file: Path) -> tuple[ClassName, ...]:
    """Return the classes that somebody wrote down, in the order of outputs.

    Either as `write_classes` writes them, where only "label" is a must, or as plain names; names
    that are WordNet ids become both. Raises ExportError for anything else, and for a class that
    is nameless or named twice.
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[_Named | str])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ExportError(f"{file}: {error}; needed is {_SHAPES}") from None
    classes = tuple(map(_class, found))
    if len(classes) < 2:
        raise ExportError(f"{file}: names {len(classes)} classes, at least 2 are needed")
    seen: dict[str, int] = {}
    for index, each in enumerate(classes):
        key = each.wnid or each.label
        if not each.label.strip():
            raise ExportError(f"{file}: class {index} has no name")
        if key in seen:
            raise ExportError(f"{file}: classes {seen[key]} and {index} are both {key}")
        seen[key] = index
    return classes


def _class(found: _Named | str) -> ClassName:
    if isinstance(found, str):
        wnid = found if WNID.fullmatch(found) else ""
        return ClassName(wnid=wnid, label=found, names=found)
    return ClassName(wnid=found.wnid, label=found.label, names=found.names or found.label)
