"""A shelf in a local folder, readable by TensorFlow Serving and Triton as it stands.

A version folder is filled beside its place under a name that is no number, flushed to disk and
renamed: readers that scan for numbers never see half of one. Writers of one catalog take
turns through a lock file; a process that dies lets go of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from model_store.atomic_file import write_atomically
from model_store.backends.base import Blob, ByteSource, Sink, Stage, Stored
from model_store.durability import sync_folder, sync_tree
from model_store.errors import Conflict, Corrupt, InvalidName, NotFound, Unreachable
from model_store.layout import LOCK, STAGE_PREFIX, TEMPORARY_PREFIX
from model_store.names import show
from model_store.os_errors import from_os_error, os_edge

CHUNK_BYTES = 1 << 20
LOCK_PATIENCE_S = 30.0

_READ_ONLY = 0o444


class LocalBackend:
    """Keys are paths below `root`, which need not exist before something is written."""

    def __init__(self, root: Path, *, lock_patience_s: float = LOCK_PATIENCE_S) -> None:
        self._root = root
        self._lock_patience_s = lock_patience_s

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Return the file; the ETag is a digest of its bytes."""
        path = self._locate(key)
        with os_edge("reading", path):
            try:
                data = path.read_bytes()
            except NotADirectoryError:
                # A file in a version's place is damage of that version; one in the place of a
                # model or of the shelf must not look like an empty shelf.
                if not (self._root / PurePosixPath(key).parts[0]).is_dir():
                    raise
                raise NotFound(f"reading {path}: a file is where a folder should be") from None
        etag = _etag(data)
        return None if etag == unless else Blob(data, etag)

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Compare under a lock, then replace the file in one step."""
        path = self._locate(key)
        with os_edge("writing", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.parent / LOCK, patience_s=self._lock_patience_s):
                current = _etag(path.read_bytes()) if path.exists() else None
                if current != expected:
                    raise Conflict(f"{path} was changed by somebody else; read it again")
                write_atomically(path, data)
        return _etag(data)

    @contextmanager
    def stage(self, prefix: str) -> Iterator[Stage]:
        """Fill a folder beside the version's place; remove it unless it was sealed."""
        place = self._locate(prefix)
        folder = place.parent / f"{STAGE_PREFIX}{place.name}-{uuid.uuid4().hex[:12]}"
        with os_edge("creating", folder):
            folder.mkdir(parents=True)
        try:
            yield _LocalStage(folder, place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def fetch(self, key: str, *, offset: int, size: int, sink: Sink) -> None:
        """Read the file in pieces; the piece handed to the sink is valid until it returns."""
        path = self._locate(key)
        buffer = memoryview(bytearray(min(CHUNK_BYTES, max(size - offset, 1))))
        position = offset
        with os_edge("opening", path):
            file = path.open("rb", buffering=0)
        with file:
            file.seek(offset)
            while position < size:
                with os_edge("reading", path):
                    count = file.readinto(buffer[: size - position])
                if not count:
                    raise Corrupt(f"{path} ends after {position} of {size} bytes")
                sink(buffer[:count])
                position += count

    def list(self, prefix: str) -> Iterator[Stored]:
        """Walk the folder without following symbolic links."""
        top = self._locate(prefix)

        def tell(error: OSError) -> None:
            # What was removed since it was listed is nothing to tell of.
            if not isinstance(error, FileNotFoundError):
                raise from_os_error(error, doing="listing", where=error.filename) from error

        for folder, folders, names in os.walk(top, onerror=tell):
            # An empty folder is what a crash at the wrong moment leaves.
            itself = [""] if not folders and not names and Path(folder) != top else []
            for name in names + itself:
                path = Path(folder, name)
                try:
                    with os_edge("listing", path):
                        status = path.lstat()
                except NotFound:
                    continue  # removed since the folder was read
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                key = path.relative_to(self._root).as_posix()
                yield Stored(key, status.st_size, modified_at)

    def remove(self, prefix: str) -> None:
        """Rename the folder out of sight first, so that no reader finds half of it."""
        path = self._locate(prefix)
        with os_edge("removing", path):
            if not path.is_dir():
                path.unlink(missing_ok=True)
                return
            doomed = path
            if not path.name.startswith(STAGE_PREFIX):
                doomed = path.with_name(f"{STAGE_PREFIX}{path.name}-{uuid.uuid4().hex[:12]}")
                with suppress(FileNotFoundError):
                    path.rename(doomed)
            while doomed.exists():
                # Somebody else may be removing the same.
                with suppress(FileNotFoundError):
                    shutil.rmtree(doomed)

    def probe(self, prefix: str) -> None:
        """Create and remove a folder in the nearest ancestor that exists."""
        place = self._locate(prefix)
        with os_edge("looking for", place):
            nearest = next(folder for folder in (place, *place.parents) if folder.exists())
        attempt = nearest / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:12]}"
        with os_edge("writing to", nearest):
            attempt.mkdir()
            attempt.rmdir()

    def close(self) -> None:
        """Nothing is held."""

    def _locate(self, key: str) -> Path:
        path = self._root
        for part in PurePosixPath(key).parts:
            path /= part
            with os_edge("looking for", path):
                leaves = part in {"..", "/"} or path.is_symlink()
            if leaves:
                raise InvalidName(f"{show(key)} leaves the store through {show(part)}")
        return path


class _LocalStage:
    def __init__(self, folder: Path, place: Path) -> None:
        self._folder = folder
        self._place = place

    def add(self, name: str, source: ByteSource, size: int) -> None:
        path = self._folder / name
        with os_edge("writing", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb", buffering=0) as file:
                rest_bytes = size
                while rest_bytes and (chunk := source.read(min(CHUNK_BYTES, rest_bytes))):
                    _write_all(file.fileno(), chunk)
                    rest_bytes -= len(chunk)
                os.fchmod(file.fileno(), _READ_ONLY)
                os.fsync(file.fileno())

    def seal(self) -> None:
        with os_edge("publishing", self._place):
            sync_tree(self._folder)
            try:
                self._folder.rename(self._place)
            except (FileExistsError, OSError) as error:
                if self._place.exists():
                    raise Conflict(
                        f"{self._place} already exists though its number was free; move it away"
                    ) from error
                raise
            sync_folder(self._place.parent)


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _locked(path: Path, *, patience_s: float) -> Iterator[None]:
    deadline = time.monotonic() + patience_s
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Unreachable(
                        f"{path} is held by another process for over {patience_s:g} s; see who"
                        f" with: fuser {path}"
                    ) from error
                # Uneven pauses keep a crowd of writers from knocking in step.
                time.sleep(random.uniform(0.001, 0.02))  # noqa: S311
        yield
