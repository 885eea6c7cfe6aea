"""The edge where the operating system's errors become the shelf's."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_store.errors import (
    Denied,
    InvalidName,
    NoSpace,
    NotFound,
    StoreError,
    Unreachable,
)

_KINDS: dict[int, tuple[type[StoreError], str]] = {
    errno.ENOSPC: (NoSpace, "no space is left; free some and run this again"),
    errno.EDQUOT: (NoSpace, "the disk quota is used up; free some space and run this again"),
    errno.EFBIG: (NoSpace, "the file would be larger than the file system or a limit allows"),
    errno.EACCES: (Denied, "permission denied; check the owner and mode of the folder"),
    errno.EPERM: (Denied, "the operation isn't permitted; check the owner of the folder"),
    errno.EROFS: (Denied, "the file system is read-only"),
    errno.ENOENT: (NotFound, "there is no such file or folder"),
    errno.EISDIR: (InvalidName, "a folder is where a file should be"),
    errno.ENOTDIR: (Unreachable, "a part of the path is a file, not a folder"),
    errno.ENAMETOOLONG: (InvalidName, "the path is longer than the file system allows"),
    errno.ELOOP: (InvalidName, "the path runs through a symbolic link"),
}


def from_os_error(error: OSError, *, doing: str, where: str | Path) -> StoreError:
    """Return the shelf's error for `error`; whatever has no entry of its own is Unreachable."""
    kind, advice = _KINDS.get(
        error.errno or 0, (Unreachable, (error.strerror or str(error)).lower())
    )
    return kind(f"{doing} {where}: {advice}")


@contextmanager
def os_edge(doing: str, where: str | Path) -> Iterator[None]:
    """Translate every OSError raised inside into the shelf's error."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, doing=doing, where=where) from error
