"""A run from beginning to end as it is kept: what was asked for and what was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.health import ProcessHealth
from loadtest.knee import Step
from loadtest.measurements import Tally, Timeline, sum_up
from loadtest.recorder import Example

FORMAT = 1
_MOST_EXAMPLES = 200


@dataclass
class Run:
    """Everything that verdict, report and comparison go by.

    `asked` are the options that matter (host, slo, shape, users, rate, mix, …), `memory` pairs of
    seconds and MB, `levels` pairs of seconds and what was asked for (users or requests a second).
    """

    begun_at: str
    asked: dict[str, Any]
    duration_s: float = 0.0
    timeline: Timeline = field(default_factory=Timeline)
    health: dict[str, ProcessHealth] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)
    levels: list[tuple[float, float]] = field(default_factory=list)
    knee: list[Step] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Kept beside the timeline: adding hours up each second would slow down those who measure.
    _totals: dict[str, Tally] = field(default_factory=dict)

    def add(self, process: str, measured: dict[str, Any]) -> None:
        """Add what a process measured since it was last asked (`Agent.take`)."""
        self._add_timeline(Timeline.from_plain(measured["timeline"]))
        health = ProcessHealth.from_plain(measured["health"])
        self.health.setdefault(process, ProcessHealth()).merge(health)
        room = _MOST_EXAMPLES - len(self.examples)
        self.examples += [Example(*each) for each in measured["examples"][: max(0, room)]]

    def total(self, scenario: str = "") -> Tally:
        """Return the sum of one scenario, or of all."""
        if scenario:
            return self._totals.get(scenario, Tally())
        return sum_up(self._totals.values())

    @property
    def knee_rate(self) -> float:
        """The highest rate at which all objectives held; 0 if none was found."""
        return max((step.rate for step in self.knee if not step.broke), default=0.0)

    def write(self, path: Path) -> None:
        """Write it as JSON, with a summary that programs can read without knowing the rest."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_plain(), ensure_ascii=False, indent=1) + "\n")

    def to_plain(self) -> dict[str, Any]:
        """Return what `from_plain` makes an equal one of."""
        return {
            "format": FORMAT,
            "begun_at": self.begun_at,
            "asked": self.asked,
            "duration_s": self.duration_s,
            "summary": self._summary(),
            "timeline": self.timeline.to_plain(),
            "health": {name: each.to_plain() for name, each in self.health.items()},
            "memory": self.memory,
            "levels": self.levels,
            "knee": [[step.rate, step.broke] for step in self.knee],
            "examples": [[each.at_s, each.scenario, each.text] for each in self.examples],
            "notes": self.notes,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Run:
        """Return the run that `to_plain` described."""
        made = cls(
            begun_at=plain["begun_at"],
            asked=plain["asked"],
            duration_s=plain["duration_s"],
            timeline=Timeline(plain["timeline"]["width_s"]),
            health={n: ProcessHealth.from_plain(each) for n, each in plain["health"].items()},
            memory=[(at_s, mb) for at_s, mb in plain["memory"]],
            levels=[(at_s, level) for at_s, level in plain["levels"]],
            knee=[Step(*each) for each in plain["knee"]],
            examples=[Example(*each) for each in plain["examples"]],
            notes=plain["notes"],
        )
        made._add_timeline(Timeline.from_plain(plain["timeline"]))
        return made

    def _add_timeline(self, timeline: Timeline) -> None:
        self.timeline.merge(timeline)
        for name in timeline.scenarios():
            self._totals.setdefault(name, Tally()).merge(timeline.total(name))

    def _summary(self) -> dict[str, Any]:
        return {
            name or "all": summary(self.total(name), self.duration_s)
            for name in ("", *self.timeline.scenarios())
        }


def summary(tally: Tally, duration_s: float) -> dict[str, float]:
    """Return a tally's figures by name: rate in requests a second, times in ms."""
    latencies = tally.latencies
    return {
        "requests": tally.requests,
        "rate": tally.requests / duration_s if duration_s else 0.0,
        "errors": tally.errors.total(),
        "wrong": tally.wrong.total(),
        "mean_ms": latencies.mean_ms,
        **{
            f"p{name}_ms": latencies.quantile_ms(float(name) / 100)
            for name in ("50", "90", "95", "99", "99.9")
        },
        "max_ms": latencies.max_ms,
        "stall_ms": tally.stall_s * 1000,
    }


def read_run(path: Path) -> Run:
    """Read what `Run.write` wrote; raises ValueError, naming the file, if it is none of ours."""
    try:
        plain = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ValueError(f"{path}: not the --result of a load test of this version")
    return Run.from_plain(plain)
