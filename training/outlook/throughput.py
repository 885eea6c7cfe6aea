"""Images a second: of whatever advances by a batch at a time, as the median of several windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec


class Throughput(msgspec.Struct, frozen=True):
    """Images a second in each window, in the order measured."""

    windows: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the middle one."""
        return statistics.median(self.windows)

    @property
    def spread(self) -> float:
        """Return how far the slowest and the fastest window are apart, as part of the median."""
        return (max(self.windows) - min(self.windows)) / self.median


def measure(
    advance: Callable[[], object],
    *,
    images: int,
    windows: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Throughput:
    """Call `advance`, which handles `images` images, until there are so many windows.

    A window ends with the first call that ends `seconds` or more after its start. What is built,
    traced or filled at first is the caller's to have done before.
    """
    measured = []
    for _ in range(windows):
        started = now = clock()
        count = 0
        while now < started + seconds or count == 0:
            advance()
            count += images
            now = clock()
        measured.append(count / max(1e-9, now - started))
    return Throughput(tuple(measured))
