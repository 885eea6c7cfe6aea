"""Pass or fail: each scenario against its objectives, in one line that names what broke."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtest.health import bottleneck
from loadtest.measurements import Tally
from loadtest.memory import growth_mb_per_min
from loadtest.objectives import Objective, in_force, parse_objectives, with_defaults
from loadtest.run import Run, summary

# What a search for the knee has to find where no objective says.
_SOME_RATE = Objective("rate", ">", 0.0, "/s")
_TIMES = ("p50", "p90", "p95", "p99", "p99.9", "max", "mean", "stall")


class Outcome(enum.Enum):
    """What a run showed; the value is its exit code."""

    PASS = 0
    FAIL = 1
    INCONCLUSIVE = 3


@dataclass(frozen=True)
class Judgement:
    """One objective of one scenario ('': the whole): what was measured, and whether it held.

    `kinds` are those of the errors or wrong answers behind a count.
    """

    scenario: str
    objective: Objective
    value: str
    holds: bool
    kinds: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.scenario or 'all'} ({self.value})"

    @property
    def is_about_speed(self) -> bool:
        """Whether a slow load generator could have caused it."""
        return self.objective.metric in (*_TIMES, "rate")


@dataclass(frozen=True)
class Verdict:
    """The outcome, every judgement behind it, and in what way the generator was the bottleneck."""

    outcome: Outcome
    judgements: tuple[Judgement, ...]
    bottleneck: str
    line: str

    @property
    def broken(self) -> list[Judgement]:
        """What didn't hold."""
        return [each for each in self.judgements if not each.holds]


def judge(run: Run) -> Verdict:
    """Judge a run by the objectives it was given and the default ones."""
    objectives = with_defaults(parse_objectives(run.asked["slo"]))
    judgements = tuple(_judge_all(run, objectives))
    total = run.total()
    late_share = total.late / total.requests if total.requests else 0.0
    p99_ms = total.latencies.quantile_ms(0.99)
    limit = bottleneck(run.health, p99_ms, late_share)
    broken = [each for each in judgements if not each.holds]
    if not total.requests:
        outcome = Outcome.FAIL
    elif not broken:
        outcome = Outcome.PASS
    elif limit and all(each.is_about_speed for each in broken):
        outcome = Outcome.INCONCLUSIVE
    else:
        outcome = Outcome.FAIL
    return Verdict(outcome, judgements, limit, _line(outcome, run, broken, limit))


def judge_tally(
    tally: Tally, duration_s: float, objectives: tuple[Objective, ...], scenario: str
) -> Iterator[Judgement]:
    """Judge what one scenario did in some time by the objectives that are in force for it."""
    figures = summary(tally, duration_s)
    for objective in in_force(objectives, scenario):
        metric = objective.metric
        if metric in _TIMES:
            if tally.latencies.count:
                value = figures[f"{metric}_ms"]
                yield Judgement(scenario, objective, show_ms(value), objective.holds(value))
        elif metric == "rate":
            shown = f"{figures['rate']:,.1f}/s"
            yield Judgement(scenario, objective, shown, objective.holds(figures["rate"]))
        elif metric in ("errors", "wrong"):
            kinds = tally.errors if metric == "errors" else tally.wrong
            yield _judge_count(scenario, objective, kinds, tally.requests)


def show_ms(value: float) -> str:
    """Return a time as people read it."""
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.3g} ms"


def show_kinds(kinds: Counter[str]) -> str:
    """Return the most common kinds of faults with their counts."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(3))


def _judge_all(run: Run, objectives: tuple[Objective, ...]) -> Iterator[Judgement]:
    if run.knee:
        yield from _judge_knee(run, objectives)
    else:
        for scenario in run.timeline.scenarios():
            yield from judge_tally(run.total(scenario), run.duration_s, objectives, scenario)
        yield from judge_tally(run.total(), run.duration_s, objectives, "")
    growth = growth_mb_per_min(run.memory)
    for objective in in_force(objectives, ""):
        if objective.metric == "memory" and growth is not None:
            shown = f"grew by {growth:.1f} MB/min"
            yield Judgement("", objective, shown, objective.holds(growth))


def _judge_knee(run: Run, objectives: tuple[Objective, ...]) -> Iterator[Judgement]:
    """Judge a search for the knee: it went beyond what holds, but no answer may be wrong there."""
    for scenario in run.timeline.scenarios():
        for each in judge_tally(run.total(scenario), run.duration_s, objectives, scenario):
            if each.objective.metric == "wrong":
                yield each
    rate = next((each for each in in_force(objectives, "") if each.metric == "rate"), _SOME_RATE)
    yield Judgement("", rate, f"knee at {run.knee_rate:,.1f}/s", rate.holds(run.knee_rate))


def _judge_count(
    scenario: str, objective: Objective, kinds: Counter[str], requests: int
) -> Judgement:
    count = kinds.total()
    share = 100 * count / requests if requests else 0.0
    holds = objective.holds(share if objective.is_share else count)
    return Judgement(scenario, objective, f"{count:,} of {requests:,}", holds, kinds)


def _line(outcome: Outcome, run: Run, broken: list[Judgement], limit: str) -> str:
    total = run.total()
    if not total.requests:
        return "FAIL  no request ended; is the service there?"
    figures = summary(total, run.duration_s)
    did = (
        f"{total.requests:,} requests in {run.duration_s:,.0f} s, {figures['rate']:,.1f}/s,"
        f" p99 {show_ms(figures['p99_ms'])}, {total.errors.total():,} errors,"
        f" {total.wrong.total():,} wrong"
    )
    if run.knee:
        did = f"knee at {run.knee_rate:,.1f}/s; {did}"
    note = f"; the load generator was the bottleneck: {limit}" if limit else ""
    if outcome is Outcome.PASS:
        return f"PASS  {did}{note}"
    return f"{outcome.name}  {'; '.join(_broken_parts(broken))}{note}"


def _broken_parts(broken: list[Judgement]) -> Iterator[str]:
    """Say of each objective where it didn't hold, and what stood behind that."""
    for objective in dict.fromkeys(each.objective for each in broken):
        found = [each for each in broken if each.objective == objective]
        where = ", ".join(map(str, found))
        kinds = sum((each.kinds for each in found), Counter[str]())
        yield f"{objective} doesn't hold in {where}" + (f": {show_kinds(kinds)}" if kinds else "")
