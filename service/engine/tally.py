"""Keeps the counters of every version that was asked for; lives in the engine's event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from service.engine.batcher import Batch
from service.ipc.messages import Answer, Reply
from service.statistics import Times, VersionStatistics

# Versions that have left keep their counters until so many newer ones have been asked for.
KEPT_VERSIONS = 64

Clock = Callable[[], float]


class Tally:
    """Counts requests by how they end and runs by their size."""

    def __init__(self, *, clock: Clock = time.monotonic, wall_clock: Clock = time.time) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._versions: dict[int, VersionStatistics] = {}

    def versions(self) -> tuple[VersionStatistics, ...]:
        """Return the counters of every version, ascending."""
        return tuple(each for _, each in sorted(self._versions.items()))

    def counting(self, version: int, reply: Callable[[Reply], None]) -> Callable[[Reply], None]:
        """Return `reply`, made to count the request that came now by how it is answered."""
        counters, came = self._of(version), self._clock()

        def count_and_reply(message: Reply) -> None:
            ended = counters.success if isinstance(message, Answer) else counters.fail
            ended.add(self._clock() - came)
            reply(message)

        return count_and_reply

    def ran(self, batch: Batch, took_s: float, sizes: Sequence[int]) -> None:
        """Count a batch that ended now after so many seconds, in runs of these sizes."""
        counters = self._of(batch.lease.version)
        began = self._clock() - took_s
        for each in batch.requests:
            counters.queue.add(began - each.queued_at)
            counters.infer.add(took_s)
        counters.images += len(batch)
        for size in sizes:
            counters.batches.setdefault(size, Times()).add(took_s * size / len(batch))
        counters.last_ms = int(self._wall_clock() * 1000)

    def _of(self, version: int) -> VersionStatistics:
        found = self._versions.get(version)
        if found is None:
            while len(self._versions) >= KEPT_VERSIONS:
                del self._versions[next(iter(self._versions))]
            found = self._versions[version] = VersionStatistics(version)
        return found
