"""The folder that somebody offers for publishing."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from model_store.errors import InvalidName, InvalidVersion
from model_store.json_errors import JSON_ERRORS
from model_store.layout import CLASSES, MANIFEST, ONNX_SUFFIX, SAVED_MODEL
from model_store.names import check_distinct, check_file, show
from model_store.os_errors import os_edge


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to publish: its name in the version, where it lies, its size in bytes."""

    name: str
    path: Path
    size: int


class _ClassName(msgspec.Struct, frozen=True):
    """What services read of a class; there may be more."""

    wnid: str
    label: str


_decode_classes = msgspec.json.Decoder(list[_ClassName]).decode


def scan_folder(folder: Path) -> tuple[SourceFile, ...]:
    """Return the folder's files by name; raise where they can't become a version.

    A manifest.json at the top is left out: a version that was pulled and is published again gets
    one of its own.
    """
    with os_edge("reading", folder):
        if not folder.is_dir():
            raise InvalidVersion(f"{folder} isn't a folder; name the one that holds {SAVED_MODEL}")
        files = sorted(_walk(folder, folder), key=lambda file: file.name)
    names = [file.name for file in files]
    check_distinct(names)
    _check_complete(folder, names)
    for file in files:
        if not file.size and (file.name == SAVED_MODEL or file.name.endswith(ONNX_SUFFIX)):
            raise InvalidVersion(f"{file.path} is empty; export the model again")
    return tuple(files)


def count_classes(folder: Path) -> int:
    """Return how many classes the folder names; raise InvalidVersion for what can't name any."""
    path = folder / CLASSES
    with os_edge("reading", path):
        text = path.read_bytes()
    try:
        classes = _decode_classes(text)
    except JSON_ERRORS as error:
        raise InvalidVersion(
            f"{path}: {error}; it has to be a list of objects with wnid and label, both texts, in"
            " the order of the model's outputs"
        ) from error
    if not classes:
        raise InvalidVersion(f"{path} names no class")
    return len(classes)


def _walk(folder: Path, top: Path) -> list[SourceFile]:
    found: list[SourceFile] = []
    with os.scandir(folder) as listing:
        entries = list(listing)
    for entry in entries:
        path = Path(entry.path)
        name = path.relative_to(top).as_posix()
        try:
            check_file(name)
        except InvalidName as error:
            raise InvalidName(f"{show(str(path))} can't be published: {error}") from error
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            found += _walk(path, top)
        elif stat.S_ISREG(mode):
            if name != MANIFEST:
                found.append(SourceFile(name, path, entry.stat(follow_symlinks=False).st_size))
        else:
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
            raise InvalidName(f"{path} is {kind}; only regular files and folders are published")
    return found


def _check_complete(folder: Path, names: list[str]) -> None:
    if SAVED_MODEL not in names and not any(name.endswith(ONNX_SUFFIX) for name in names):
        raise InvalidVersion(f"{folder} holds neither {SAVED_MODEL} nor an {ONNX_SUFFIX} file")
    if CLASSES not in names:
        raise InvalidVersion(f"{folder} holds no {CLASSES}; write the classes beside the model")
