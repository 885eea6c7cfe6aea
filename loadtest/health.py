"""Whether the load generator itself keeps up: its own processor time and scheduling lag."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from loadtest.histogram import Histogram

# One process of Locust has one thread: near a whole core it sends late and reads late.
BUSY_SHARE = 0.9
# What its clock may be late for it to measure a latency of that much.
LAG_SHARE = 0.25
LAG_LEAST_MS = 10.0
# A pause of the whole process, or of its machine, looks like one of the service.
STOOD_STILL_MS = 500.0
# A sample a second says nothing of a run of two.
FEWEST_SECONDS = 3


@dataclass
class ProcessHealth:
    """Of one process: shares of a core by second, lateness of its timers, requests sent late."""

    cpu_shares: list[float] = field(default_factory=list)
    lag: Histogram = field(default_factory=Histogram)

    @property
    def busy_share(self) -> float:
        """The share of seconds in which it had no time left."""
        if not self.cpu_shares:
            return 0.0
        return sum(each >= BUSY_SHARE for each in self.cpu_shares) / len(self.cpu_shares)

    @property
    def mean_cpu(self) -> float:
        """Its mean use of a core, 1 being all of it."""
        return sum(self.cpu_shares) / len(self.cpu_shares) if self.cpu_shares else 0.0

    def merge(self, other: ProcessHealth) -> None:
        """Add later seconds of the same process."""
        self.cpu_shares += other.cpu_shares
        self.lag.merge(other.lag)

    def to_plain(self) -> dict[str, Any]:
        """Return what `from_plain` makes an equal one of."""
        return {"cpu_shares": self.cpu_shares, "lag": self.lag.to_plain()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> ProcessHealth:
        """Return the health that `to_plain` described."""
        return cls(list(plain["cpu_shares"]), Histogram.from_plain(plain["lag"]))


class CpuMeter:
    """How much of a processor this process uses between looks."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), time.process_time())

    def share(self) -> float:
        """Return the share of one core used since the last look."""
        before, self._last = self._last, (time.perf_counter(), time.process_time())
        wall_s = self._last[0] - before[0]
        return (self._last[1] - before[1]) / wall_s if wall_s > 0 else 0.0


def bottleneck(health: dict[str, ProcessHealth], p99_ms: float, late_share: float) -> str:
    """Say in what way the generator was the bottleneck of a run, or ''.

    `p99_ms` is the latency that it measured, `late_share` the share of open-loop requests that had
    to wait for a free user.
    """
    for name, each in sorted(health.items()):
        if len(each.cpu_shares) < FEWEST_SECONDS:
            continue
        if each.busy_share > 0.25:
            return (
                f"{name} used {each.mean_cpu:.0%} of its core; spread the load over more processes"
                " (--processes) or machines"
            )
        if each.lag.max_ms > STOOD_STILL_MS:
            return (
                f"{name} itself stood still for {each.lag.max_ms / 1000:.1f} s; run it where"
                " nothing stops it"
            )
        lag_ms = each.lag.quantile_ms(0.99)
        if lag_ms > max(LAG_LEAST_MS, LAG_SHARE * p99_ms):
            return (
                f"{name} ran {lag_ms:.0f} ms late (p99), so latencies are too high by up to that;"
                " give it a core or a machine of its own"
            )
    if late_share > 0.01:
        return (
            f"{late_share:.1%} of the requests waited for a free user before they were sent; raise"
            " --users"
        )
    return ""
