"""A data set as it came: a folder, a `.zip` or a `.tar.gz`, read in place and never unpacked.

Reading from the archive is what makes it safe: no member's name ever becomes a path on disk.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from training.errors import DataError

# What marks the data set's root; archives hold it one folder down, under any name.
ROOT_MARK = "wnids.txt"
MAX_FILE_BYTES = 32 * 1024 * 1024


class Source(Protocol):
    """The files of one data set, named relative to its root, with `/` between folders."""

    path: Path

    def names(self) -> list[str]:
        """Return the names of all regular files, in no particular order."""
        ...

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, content) of each of `names`, in the order that reads fastest.

        Raises DataError, naming the file, for one that is missing, too large or unreadable.
        """
        ...

    def identity(self) -> str:
        """Return a short hash that changes when the data set is replaced.

        Cheap on purpose: it looks at paths, sizes and times, never at the images. A single image
        overwritten in place in a folder goes unnoticed.
        """
        ...


def open_source(path: Path) -> Source:
    """Return the source at `path`. Raises DataError when there is none that can be read."""
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if zipfile.is_zipfile(path):
        return ZipSource(path)
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return TarSource(path)
    raise DataError(f"{path}: neither a folder nor a readable .zip or .tar.gz archive")


class FolderSource:
    """An unpacked data set; `path` may also be the folder around it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        inner = path / "tiny-imagenet-200"
        has_mark = (path / ROOT_MARK).exists()
        self._root = inner if not has_mark and inner.is_dir() else path

    def names(self) -> list[str]:
        """Return the names of all files below the root."""
        found: list[str] = []
        for folder, _, names in os.walk(self._root):
            inside = Path(folder).relative_to(self._root)
            found += [(inside / name).as_posix() for name in names]
        return found

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, content), in the order given."""
        for name in names:
            try:
                yield name, (self._root / name).read_bytes()
            except OSError as error:
                raise DataError(f"{self._root / name}: {error.strerror}") from None

    def identity(self) -> str:
        """Hash paths and times of the root, its text files and the class folders."""
        watched = [self._root, self._root / "train", self._root / "val" / "images"]
        watched += sorted(self._root.glob("*.txt")) + sorted(self._root.glob("val/*.txt"))
        watched += sorted(self._root.glob("train/*/images"))
        seen = [str(self._root.resolve())]
        for item in watched:
            if item.exists():
                facts = item.stat()
                seen.append(f"{item.name} {facts.st_size} {facts.st_mtime_ns}")
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:12]


class ZipSource:
    """A `.zip` archive, read in place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the names of all regular members below the root."""
        with _archive_errors(self.path), zipfile.ZipFile(self.path) as archive:
            members = [info.filename for info in archive.infolist() if not info.is_dir()]
        self._members = below_root(self.path, members)
        return list(self._members)

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, content), in the order given. Call `names` first."""
        with _archive_errors(self.path), zipfile.ZipFile(self.path) as archive:
            for name in names:
                info = archive.getinfo(self._members[name])
                check_size(self.path, name, info.file_size)
                yield name, archive.read(info)

    def identity(self) -> str:
        """Hash the archive's path, size and time."""
        return _archive_identity(self.path)


class TarSource:
    """A `.tar.gz` archive, read as a stream from its start to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the names of all regular members below the root."""
        with _archive_errors(self.path), tarfile.open(self.path, "r|*") as archive:
            members = [member.name for member in archive if member.isreg()]
        self._members = below_root(self.path, members)
        return list(self._members)

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (name, content), in the archive's order. Call `names` first."""
        wanted = {self._members[name]: name for name in names}
        with _archive_errors(self.path), tarfile.open(self.path, "r|*") as archive:
            for member in archive:
                name = wanted.pop(member.name, None) if member.isreg() else None
                if name is None:
                    continue
                check_size(self.path, name, member.size)
                content = archive.extractfile(member)
                if content is not None:
                    yield name, content.read()
                if not wanted:
                    return

    def identity(self) -> str:
        """Hash the archive's path, size and time."""
        return _archive_identity(self.path)


def below_root(path: Path, members: list[str]) -> dict[str, str]:
    """Map each name relative to the data set's root to its member's name in the archive.

    The root is where the `wnids.txt` that is least deep lies; what is elsewhere is left out.
    Raises DataError when there is no `wnids.txt`.
    """
    marks = [PurePosixPath(member) for member in members]
    marks = [mark for mark in marks if mark.name == ROOT_MARK]
    if not marks:
        raise DataError(f"{path}: holds no {ROOT_MARK}, so it isn't a Tiny ImageNet archive")
    root = min(marks, key=lambda mark: len(mark.parts)).parent
    return {
        PurePosixPath(member).relative_to(root).as_posix(): member
        for member in members
        if PurePosixPath(member).is_relative_to(root)
    }


def check_size(path: Path, name: str, size: int) -> None:
    """Raise DataError when a member announces more than any image or list can need."""
    if size > MAX_FILE_BYTES:
        raise DataError(
            f"{path}: {name} has {size:,} bytes, at most {MAX_FILE_BYTES:,} are allowed"
        )


def _archive_identity(path: Path) -> str:
    facts = path.stat()
    seen = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return hashlib.sha256(seen.encode()).hexdigest()[:12]


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the archive is damaged or incomplete: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
