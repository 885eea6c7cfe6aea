"""What a run promises to hold: `p99<80ms,errors<0.1%,wrong=0`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

# Each metric's unit and what one of it is in the metric's own measure.
_TIME = {"ms": 1.0, "s": 1000.0}
_COUNT = {"": 1.0}
UNITS: dict[str, dict[str, float]] = {
    "p50": _TIME,
    "p90": _TIME,
    "p95": _TIME,
    "p99": _TIME,
    "p99.9": _TIME,
    "max": _TIME,
    "mean": _TIME,
    "stall": _TIME,
    "errors": {"%": 1.0, **_COUNT},
    "wrong": {"%": 1.0, **_COUNT},
    "rate": {"/s": 1.0},
    "memory": {"MB/min": 1.0},
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
# Holds where the objectives that are given say nothing of a metric: without it, a closed loop that
# waits for a stalled service would find nothing amiss. `stall=any` says that it doesn't matter.
DEFAULTS = "errors<0.1%,wrong=0,stall<1s,memory<5MB/min"
# These are of the whole service, not of what one scenario asks of it.
WHOLE = ("memory", "rate")

_PART = re.compile(
    r"(?:(?P<scenario>[a-z0-9-]+):)?(?P<metric>[a-z][a-z0-9.]*)"
    r"\s*(?P<compare><=|>=|<|>|=)\s*(?P<value>any|\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z%/]*)"
)


class ObjectiveError(ValueError):
    """An objective can't be understood; the message says which one and why."""


@dataclass(frozen=True)
class Objective:
    """One bound on one metric, of every scenario or of one.

    Times are in ms; `unit` is as given. `bound` None stands for `any`: whatever it is, it holds.
    """

    metric: str
    compare: str
    bound: float | None
    unit: str
    scenario: str = ""

    def __str__(self) -> str:
        scope = f"{self.scenario}:" if self.scenario else ""
        if self.bound is None:
            return f"{scope}{self.metric}=any"
        value = self.bound / UNITS[self.metric][self.unit]
        return f"{scope}{self.metric}{self.compare}{value:g}{self.unit}"

    @property
    def is_share(self) -> bool:
        """Whether the bound is a percentage of all requests."""
        return self.unit == "%"

    def holds(self, value: float) -> bool:
        """Say whether a value, in the metric's own measure, keeps to the bound."""
        return self.bound is None or COMPARE[self.compare](value, self.bound)


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Return the objectives of a text such as `p99<80ms,batches:p99<200ms,wrong=0`.

    Raises ObjectiveError, which quotes the part that is wrong and says what would be right.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ObjectiveError("no objective given; say for instance 'p99<80ms,errors<0.1%,wrong=0'")
    objectives = tuple(map(_parse, parts))
    for position, each in enumerate(objectives):
        if (each.scenario, each.metric) in {(o.scenario, o.metric) for o in objectives[:position]}:
            raise ObjectiveError(
                f"{parts[position]!r}: {each.metric} has a bound already; keep one"
            )
    return objectives


def with_defaults(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """Return the objectives and the default ones of metrics that they don't mention."""
    said = {each.metric for each in objectives if not each.scenario}
    return objectives + tuple(
        each for each in parse_objectives(DEFAULTS) if each.metric not in said
    )


def in_force(objectives: tuple[Objective, ...], scenario: str) -> tuple[Objective, ...]:
    """Return what a scenario is judged by: its own objectives, and those of all but for these.

    The name '' stands for all scenarios together, which answer for what concerns the whole.
    """
    if not scenario:
        return tuple(each for each in objectives if each.metric in WHOLE and not each.scenario)
    own = {each.metric: each for each in objectives if each.scenario == scenario}
    shared = [each for each in objectives if not each.scenario and each.metric not in WHOLE]
    return tuple(own.get(each.metric, each) for each in shared) + tuple(
        each for metric, each in own.items() if metric not in {o.metric for o in shared}
    )


def _parse(part: str) -> Objective:
    match = _PART.fullmatch(part)
    if match is None:
        raise ObjectiveError(
            f"{part!r} isn't an objective; write METRIC, one of < <= = >= >, and a number with its"
            " unit, as in 'p99<80ms' or, for one scenario, 'batches:p99<200ms'"
        )
    metric, value, unit = match["metric"], match["value"], match["unit"]
    if metric not in UNITS:
        raise ObjectiveError(f"{part!r}: no metric {metric!r}; there are {', '.join(UNITS)}")
    if value == "any":
        if match["compare"] != "=" or unit:
            raise ObjectiveError(f"{part!r}: write '{metric}=any'")
        return Objective(metric, "=", None, "", match["scenario"] or "")
    if unit not in UNITS[metric]:
        allowed = " or ".join(f"'{metric}{match['compare']}{value}{u}'" for u in UNITS[metric])
        raise ObjectiveError(f"{part!r}: the unit of {metric} is wrong or missing; write {allowed}")
    scale = UNITS[metric][unit]
    return Objective(metric, match["compare"], float(value) * scale, unit, match["scenario"] or "")
