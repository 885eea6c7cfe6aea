"""The folder that somebody offers for publishing."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from model_store.errors import InvalidName, InvalidVersion
from model_store.layout import CLASSES, MANIFEST, ONNX_SUFFIX, SAVED_MODEL
from model_store.names import check_distinct, check_file, show
from model_store.os_errors import os_edge


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to publish: its name in the version, where it lies, its size in bytes."""

    name: str
    path: Path
    size: int


def scan_folder(folder: Path) -> tuple[SourceFile, ...]:
    """Return the folder's files by name; raise where they can't become a version.

    A manifest.json at the top is left out: a version that was pulled and is published again gets
    one of its own.
    """
    if not folder.is_dir():
        raise InvalidVersion(f"{folder} isn't a folder; name the one that holds {SAVED_MODEL}")
    with os_edge("reading", folder):
        files = sorted(_walk(folder, folder), key=lambda file: file.name)
    names = [file.name for file in files]
    check_distinct(names)
    _check_complete(folder, names)
    return tuple(files)


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
    path = folder / CLASSES
    try:
        with os_edge("reading", path):
            classes = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidVersion(f"{path} isn't JSON: {error}") from error
    if not classes:
        raise InvalidVersion(f"{path} names no class")
