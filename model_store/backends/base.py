"""What a backend can do: a few methods over keys, with conditional writes.

Keys come from `layout.py` and are relative to the store's root. Every method raises errors of
`model_store.errors` only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Sink = Callable[[bytes | memoryview], None]


@dataclass(frozen=True, slots=True)
class Blob:
    """A small object, read whole; the ETag changes whenever the data does."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One object in a listing."""

    key: str
    size: int
    modified_at: datetime


class ByteSource(Protocol):
    """Bytes to upload, read once from the beginning to the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, b"" at the end."""


class Stage(Protocol):
    """A version folder in the making."""

    def add(self, name: str, source: ByteSource, size: int) -> None:
        """Store `size` bytes as `name`; may be called from several threads."""

    def seal(self) -> None:
        """Make every file appear under its final name, durably."""


class Backend(Protocol):
    """One place that holds shelves."""

    def read(self, key: str, *, unless: str | None = None) -> Blob | None:
        """Return the object, None where its ETag still is `unless`; raise NotFound."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Write if the ETag still is `expected`, None for "doesn't exist"; return the new one.

        Raises Conflict otherwise. When the answer is lost on the way, a write that happened may
        be reported as Conflict.
        """

    def stage(self, prefix: str) -> AbstractContextManager[Stage]:
        """Open a folder in the making; leaving without `seal` removes what was added.

        Something must have been swapped in before: that makes what holds all keys.
        """

    def fetch(self, key: str, *, offset: int, size: int, sink: Sink) -> None:
        """Hand bytes `offset` to `size` to the sink, in order; raise NotFound."""

    def list(self, prefix: str) -> Iterator[Stored]:
        """Yield every object below `prefix`, in no order, leftovers of crashes included."""

    def remove(self, prefix: str) -> None:
        """Remove every object below `prefix`; nothing there is fine."""

    def probe(self, prefix: str) -> None:
        """Return if something could be written below `prefix`; leave nothing behind."""

    def close(self) -> None:
        """Let go of connections."""
