"""Progress of long transfers, for people."""

from __future__ import annotations

import threading
from typing import Protocol


class Progress(Protocol):
    """Called as bytes move, never from two threads at once."""

    def __call__(self, stage: str, done_bytes: int, total_bytes: int, /) -> None:
        """Take the state of `stage`, which ends when `done_bytes` reaches `total_bytes`."""


class Meter:
    """Adds up the bytes that several threads move, and tells one Progress."""

    def __init__(self, stage: str, total_bytes: int, progress: Progress | None) -> None:
        self._stage = stage
        self._total_bytes = total_bytes
        self._progress = progress
        self._done_bytes = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count `count` more bytes."""
        if self._progress is None:
            return
        with self._lock:
            self._done_bytes += count
            self._progress(self._stage, self._done_bytes, self._total_bytes)
