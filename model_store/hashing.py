"""SHA-256 of bytes on their way, so that nothing is read twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from model_store.os_errors import os_edge

_CHUNK_BYTES = 1 << 20


class HashingReader:
    """Reads a file once, from the beginning to the end, and knows what it has read."""

    def __init__(self, file: BinaryIO, name: Path, moved: Callable[[int], None]) -> None:
        self._file = file
        self._name = name
        self._moved = moved
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""
        with os_edge("reading", self._name):
            data = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        self._moved(len(data))
        return data

    @property
    def sha256(self) -> str:
        """The digest in hex of what was read so far."""
        return self._digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with os_edge("reading", path), path.open("rb", buffering=0) as file:
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
