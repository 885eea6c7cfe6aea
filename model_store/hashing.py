"""SHA-256 of bytes on their way, so that nothing is read twice."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from model_store.backends.base import ByteSource
from model_store.os_errors import os_edge

_CHUNK_BYTES = 1 << 20
# Digests may lag behind a transfer, but must not take its processors.
_turns = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))


class HashingReader:
    """Reads a file once, from the beginning to the end, and knows what it has read.

    Hashing goes on in a thread of its own while the reader's user moves the bytes.
    """

    def __init__(self, file: BinaryIO, name: Path, moved: Callable[[int], None]) -> None:
        self._file = file
        self._name = name
        self._moved = moved
        self._hasher = BackgroundHash("sha256")
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""
        with os_edge("reading", self._name):
            data = self._file.read(size)
        self._hasher.update(data)
        self.size += len(data)
        self._moved(len(data))
        return data

    def sha256(self) -> str:
        """Return the digest in hex of what was read; nothing can be read after."""
        return self._hasher.digest().hex()

    def close(self) -> None:
        """Let go of the thread."""
        self._hasher.digest()


class HashedStream:
    """A source that an SDK reads once, in order; a seekable file it would read again on its own."""

    def __init__(self, source: ByteSource, *, hashed: bool) -> None:
        self.hashed = hashed
        self._source = source
        self._hash = BackgroundHash("md5") if hashed else None

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""
        data = self._source.read(size)
        if self._hash is not None:
            self._hash.update(data)
        return data

    @staticmethod
    def seekable() -> bool:
        """Tell the SDK to read on and never back."""
        return False

    def md5(self) -> bytes:
        """Return the MD5 of what was read, b"" where it isn't `hashed`; nothing is read after."""
        return self._hash.digest() if self._hash is not None else b""

    def close(self) -> None:
        """Let go of the thread."""
        self.md5()


class BackgroundHash:
    """A digest that is computed in a thread of its own, at most one piece behind."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=algorithm)
        self._pending: Future[None] | None = None

    def update(self, data: bytes) -> None:
        """Take the next piece; waits for the one before, so that memory stays bounded."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._thread.submit(self._take, data)

    def digest(self) -> bytes:
        """Return the digest of all pieces; no piece can follow."""
        self._thread.shutdown(wait=True)
        return self._digest.digest()

    def _take(self, data: bytes) -> None:
        with _turns:
            self._digest.update(data)


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with os_edge("reading", path), path.open("rb", buffering=0) as file:
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
