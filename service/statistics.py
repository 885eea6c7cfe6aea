"""What the engine counts for each version: how many, and how long they took."""

from __future__ import annotations

import msgspec


class Times(msgspec.Struct):
    """How often something happened and how long all of it took together."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.ns += max(0, round(seconds * 1e9))


class VersionStatistics(msgspec.Struct):
    """One version's counters since the engine started.

    `success` and `fail` are requests from the moment the engine had them, `queue` their waits for
    a free lane, `infer` the runs they were part of; `batches` are the runs by their number of
    images. `last_ms` is when the last run ended, in milliseconds of Unix time.
    """

    version: int
    last_ms: int = 0
    images: int = 0
    success: Times = msgspec.field(default_factory=Times)
    fail: Times = msgspec.field(default_factory=Times)
    queue: Times = msgspec.field(default_factory=Times)
    infer: Times = msgspec.field(default_factory=Times)
    batches: dict[int, Times] = msgspec.field(default_factory=dict)
