"""Keeps a cache of versions within a size: the least recently used go first, none in use ever."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Cached:
    folder: Path
    used_at: float
    size_bytes: int


def use_marker(folder: Path) -> Path:
    """Return the file on which whoever uses a cached folder holds a shared lock.

    It outlives the folder: removing it would let two processes lock two different files of that
    name, each sure to be alone.
    """
    return folder.with_name(f".{folder.name}.used")


def evict(folders: Iterator[Path], limit_bytes: int) -> None:
    """Remove cached folders, the one used longest ago first, until the rest fits the limit.

    A folder in use by any process is skipped, so the rest may be over the limit. What can't be
    removed is left for the next time.
    """
    cached = sorted((_measure(each) for each in folders), key=lambda each: each.used_at)
    excess = sum(each.size_bytes for each in cached) - limit_bytes
    for each in cached:
        if excess <= 0:
            return
        with _unless_in_use(each.folder) as free:
            if free and _remove(each.folder):
                excess -= each.size_bytes


def _measure(folder: Path) -> _Cached:
    size = used_at = 0.0
    # Another process may be removing it right now.
    with suppress(OSError):
        used_at = folder.stat().st_mtime
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return _Cached(folder, used_at, int(size))


@contextmanager
def _unless_in_use(folder: Path) -> Iterator[bool]:
    try:
        descriptor = os.open(use_marker(folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> bool:
    """Rename first: a crash in between must not leave half a version under its name."""
    doomed = folder.with_name(f".{folder.name}.evicted-{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(doomed)
    except OSError:
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True
