"""A backend in memory, quick enough for thousands of changes; the contract suite runs on it too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from model_store import Conflict, NotFound
from model_store.backends.base import Blob, ByteSource, Sink, Stage, Stored


@dataclass
class MemoryBackend:
    """`reads` are the keys that were asked for, in order."""

    blobs: dict[str, Blob] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _etags: Iterator[int] = field(default_factory=count)

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        self.reads.append(key)
        if key not in self.blobs:
            raise NotFound(key)
        blob = self.blobs[key]
        return None if blob.etag == unless else blob

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        with self._lock:
            current = self.blobs.get(key)
            if (current.etag if current else None) != expected:
                raise Conflict(key)
            return self.put(key, data)

    def put(self, key: str, data: bytes) -> str:
        self.blobs[key] = Blob(data, f"e{next(self._etags)}")
        return self.blobs[key].etag

    @contextmanager
    def stage(self, prefix: str) -> Iterator[Stage]:
        stage = _MemoryStage(self, prefix)
        yield stage

    def fetch(self, key: str, *, offset: int, size: int, sink: Sink) -> None:
        if key not in self.blobs:
            raise NotFound(key)
        sink(self.blobs[key].data[offset:size])

    def list(self, prefix: str) -> Iterator[Stored]:
        for key, blob in list(self.blobs.items()):
            if key.startswith(prefix + "/"):
                yield Stored(key, len(blob.data), datetime.now(UTC))

    def remove(self, prefix: str) -> None:
        for stored in list(self.list(prefix)):
            del self.blobs[stored.key]

    def probe(self, prefix: str) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class _MemoryStage:
    backend: MemoryBackend
    prefix: str
    added: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, source: ByteSource, size: int) -> None:
        self.added[name] = source.read(size)

    def seal(self) -> None:
        for name, data in self.added.items():
            self.backend.put(f"{self.prefix}/{name}", data)
