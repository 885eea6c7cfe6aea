"""Counts what this process' users meet, until it is taken and added up with others'."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.faults import Refused, WrongAnswer
from loadtest.measurements import Timeline

# Enough to see what goes wrong; all of them are counted.
_MOST_EXAMPLES = 40
_QUIET_KEPT = 64


@dataclass(frozen=True)
class Example:
    """One request that went wrong, for people to look at."""

    at_s: float
    scenario: str
    text: str


@dataclass(frozen=True)
class Ended:
    """One request that ended: `latency_ms` None for those that say nothing of predictions' times.

    `begun_s` is on the recorder's clock; `late` means that no user was free when it was due.
    """

    scenario: str
    begun_s: float
    latency_ms: float | None
    fault: Exception | None = None
    version: str = ""
    late: bool = False


@dataclass
class Recorder:
    """Measurements of one process since `begin`; times by `clock_s`, which only moves forward."""

    clock_s: Callable[[], float]
    _origin_s: float = 0.0
    _timeline: Timeline = field(default_factory=Timeline)
    _examples: list[Example] = field(default_factory=list)
    _examples_left: int = _MOST_EXAMPLES
    _last_answer_s: float = 0.0
    # Times without any answer, the last ones: all who waited through a stall are answered after it.
    _quiet: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_QUIET_KEPT))

    def begin(self) -> None:
        """Forget everything; the run begins now."""
        self._origin_s = self.clock_s()
        self._timeline, self._examples = Timeline(), []
        self._examples_left = _MOST_EXAMPLES
        self._last_answer_s = self._origin_s
        self._quiet.clear()

    def record(self, ended: Ended) -> None:
        """Count a request that has just ended."""
        now_s = self.clock_s()
        tally = self._timeline.tally(max(0.0, now_s - self._origin_s), ended.scenario)
        tally.requests += 1
        tally.late += ended.late
        if ended.latency_ms is not None:
            tally.latencies.add(ended.latency_ms)
        self._quiet.append((self._last_answer_s, now_s))
        self._last_answer_s = now_s
        tally.stall_s = max(tally.stall_s, self._longest_quiet_s(ended.begun_s))
        if ended.version:
            tally.versions[ended.version] += 1
        if ended.fault is not None:
            kind = _kind(ended.fault)
            (tally.wrong if isinstance(ended.fault, WrongAnswer) else tally.errors)[kind] += 1
            self._keep(Example(now_s - self._origin_s, ended.scenario, str(ended.fault)))

    def take(self) -> dict[str, Any]:
        """Return what was measured since the last time, in a form that travels."""
        timeline, self._timeline = self._timeline, Timeline()
        examples, self._examples = self._examples, []
        return {
            "timeline": timeline.to_plain(),
            "examples": [[each.at_s, each.scenario, each.text] for each in examples],
        }

    def _longest_quiet_s(self, since_s: float) -> float:
        """Return the longest time since then in which nobody was answered."""
        return max(until_s - max(from_s, since_s) for from_s, until_s in self._quiet)

    def _keep(self, example: Example) -> None:
        if self._examples_left:
            self._examples_left -= 1
            self._examples.append(example)


def _kind(fault: Exception) -> str:
    if isinstance(fault, Refused | WrongAnswer):
        return fault.kind
    return type(fault).__name__
