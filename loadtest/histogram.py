"""Latencies by the thousand in little memory: counts in buckets that are 1% of their value wide."""

from __future__ import annotations

import math
from collections import Counter

_GROWTH = 1.01
_LOG_GROWTH = math.log(_GROWTH)
_LEAST_MS = 0.01


class Histogram:
    """Counts of latencies in ms; what it tells is at most 0.5% off. Histograms can be added up."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total_ms = 0.0
        self.count = 0
        self.max_ms = 0.0

    def add(self, latency_ms: float) -> None:
        """Count one latency; less than 0.01 ms counts as that."""
        self._counts[math.ceil(math.log(max(latency_ms, _LEAST_MS)) / _LOG_GROWTH)] += 1
        self._total_ms += latency_ms
        self.count += 1
        self.max_ms = max(self.max_ms, latency_ms)

    def merge(self, other: Histogram) -> None:
        """Add what the other one counted."""
        self._counts.update(other._counts)
        self._total_ms += other._total_ms
        self.count += other.count
        self.max_ms = max(self.max_ms, other.max_ms)

    @property
    def mean_ms(self) -> float:
        """The mean in ms; 0 if nothing was counted."""
        return self._total_ms / self.count if self.count else 0.0

    def quantile_ms(self, share: float) -> float:
        """Return the latency that a share (0 to 1) of all didn't exceed; 0 if there are none."""
        rank, passed = max(1, math.ceil(share * self.count)), 0
        for bucket in sorted(self._counts):
            passed += self._counts[bucket]
            if passed >= rank:
                middle: float = _GROWTH ** (bucket - 0.5)
                return min(middle, self.max_ms)
        return 0.0

    def buckets(self) -> list[tuple[float, int]]:
        """Return the upper bounds in ms and counts of buckets that have any, in order."""
        return [(_GROWTH**bucket, self._counts[bucket]) for bucket in sorted(self._counts)]

    def to_plain(self) -> dict[str, object]:
        """Return what `from_plain` makes an equal one of: numbers, strings, lists and dicts."""
        return {
            "counts": {str(bucket): count for bucket, count in sorted(self._counts.items())},
            "total_ms": self._total_ms,
            "max_ms": self.max_ms,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, object]) -> Histogram:
        """Return the histogram that `to_plain` described."""
        made = cls()
        counts, total_ms, max_ms = plain["counts"], plain["total_ms"], plain["max_ms"]
        if not isinstance(counts, dict):
            raise TypeError("a histogram's 'counts' is a dict")
        made._counts.update({int(bucket): count for bucket, count in counts.items()})
        made._total_ms, made.max_ms = float(str(total_ms)), float(str(max_ms))
        made.count = made._counts.total()
        return made
