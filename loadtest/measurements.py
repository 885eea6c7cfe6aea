"""What was measured: a tally for each scenario and each second, which add up to any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from loadtest.histogram import Histogram

# A soak of days stays a page: where there would be more windows, each becomes twice as long.
MOST_WINDOWS = 600


@dataclass
class Tally:
    """Requests that ended, by what became of them.

    `latencies` are those of right predictions and of refused ones alike; administration, uploads
    and requests that are wrong on purpose are in `requests` only. `stall_s` is the longest time in
    which one of these requests was under way and nobody, of any scenario, was answered.
    """

    requests: int = 0
    latencies: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    stall_s: float = 0.0
    late: int = 0

    def merge(self, other: Tally) -> None:
        """Add what the other one has."""
        self.requests += other.requests
        self.latencies.merge(other.latencies)
        self.errors.update(other.errors)
        self.wrong.update(other.wrong)
        self.versions.update(other.versions)
        self.stall_s = max(self.stall_s, other.stall_s)
        self.late += other.late

    def to_plain(self) -> dict[str, Any]:
        """Return what `from_plain` makes an equal one of."""
        return {
            "requests": self.requests,
            "latencies": self.latencies.to_plain(),
            "errors": dict(self.errors),
            "wrong": dict(self.wrong),
            "versions": dict(self.versions),
            "stall_s": self.stall_s,
            "late": self.late,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Tally:
        """Return the tally that `to_plain` described."""
        return cls(
            requests=plain["requests"],
            latencies=Histogram.from_plain(plain["latencies"]),
            errors=Counter(plain["errors"]),
            wrong=Counter(plain["wrong"]),
            versions=Counter(plain["versions"]),
            stall_s=plain["stall_s"],
            late=plain["late"],
        )


@dataclass
class Timeline:
    """Tallies by scenario in windows of `width_s` seconds from the beginning of the run."""

    width_s: int = 1
    windows: dict[int, dict[str, Tally]] = field(default_factory=dict)

    def tally(self, at_s: float, scenario: str) -> Tally:
        """Return the tally to count in what happens now."""
        window = self.windows.setdefault(int(at_s // self.width_s), {})
        return window.setdefault(scenario, Tally())

    def merge(self, other: Timeline) -> None:
        """Add what the other one has, whose windows must not be wider."""
        for number, window in other.windows.items():
            for scenario, tally in window.items():
                self.tally(number * other.width_s, scenario).merge(tally)
        if self.windows and max(self.windows) >= MOST_WINDOWS:
            self._widen()

    def scenarios(self) -> list[str]:
        """Return the names of all scenarios that did something."""
        return sorted({name for window in self.windows.values() for name in window})

    def total(self, scenario: str = "", *, since_s: float = 0, until_s: float = 1e12) -> Tally:
        """Return the sum over a scenario ('': all of them) and the windows that begin in a time."""
        return sum_up(
            tally
            for number, window in self.windows.items()
            if since_s <= number * self.width_s < until_s
            for name, tally in window.items()
            if scenario in ("", name)
        )

    def by_window(self, scenario: str = "") -> Iterator[tuple[float, Tally]]:
        """Yield each window's begin in s (without gaps) and the sum over a scenario, or all."""
        if not self.windows:
            return
        for number in range(max(self.windows) + 1):
            window = self.windows.get(number, {})
            yield (
                number * self.width_s,
                sum_up(tally for name, tally in window.items() if scenario in ("", name)),
            )

    def requests(self) -> list[int]:
        """Return how many requests ended in each window, without gaps."""
        return [
            sum(tally.requests for tally in self.windows.get(number, {}).values())
            for number in range(max(self.windows, default=-1) + 1)
        ]

    def to_plain(self) -> dict[str, Any]:
        """Return what `from_plain` makes an equal one of."""
        return {
            "width_s": self.width_s,
            "windows": {
                str(number): {name: tally.to_plain() for name, tally in window.items()}
                for number, window in self.windows.items()
            },
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Timeline:
        """Return the timeline that `to_plain` described."""
        return cls(
            width_s=plain["width_s"],
            windows={
                int(number): {name: Tally.from_plain(tally) for name, tally in window.items()}
                for number, window in plain["windows"].items()
            },
        )

    def _widen(self) -> None:
        before, self.windows = self.windows, {}
        old_width_s, self.width_s = self.width_s, self.width_s * 2
        self.merge(Timeline(old_width_s, before))


def sum_up(tallies: Iterable[Tally]) -> Tally:
    """Return what all of them counted together."""
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total
