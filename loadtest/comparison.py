"""Two runs side by side, and whether the second is worse."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtest.run import Run, read_run, summary
from loadtest.verdict import show_ms

_TIMES = ("p50_ms", "p99_ms", "max_ms")
_COUNTS = ("errors", "wrong")
# A single slow answer says nothing of a service.
_JUDGED = ("rate", "p50_ms", "p99_ms", *_COUNTS)
# What was asked for differently tells nothing of the service but these.
_ALWAYS_JUDGED = _COUNTS
# Below, a difference is the clock's.
_LEAST_MS = 1.0
_NOT_COMPARABLE = ("shape", "rate", "num_users", "mix", "run_time", "batch")


@dataclass(frozen=True)
class Difference:
    """One figure of one scenario before and after."""

    scenario: str
    figure: str
    before: float
    after: float
    is_worse: bool

    @property
    def change(self) -> str:
        """The change in percent, where that says something."""
        if not self.before or self.figure in _COUNTS:
            return ""
        return f"{(self.after - self.before) / self.before:+.0%}"


def compare(before: Run, after: Run, *, tolerance: float) -> list[Difference]:
    """Return all figures of scenarios in both runs; `tolerance` in percent of a time or rate."""
    judged = _JUDGED if not unlike(before, after) else _ALWAYS_JUDGED
    return [
        each
        for name in _names(before, after)
        for each in _of(before, after, name, tolerance, judged)
    ]


def unlike(before: Run, after: Run) -> list[str]:
    """Return in what the runs were asked for different things, which explains differences."""
    return [
        f"{name}: {before.asked.get(name)} before, {after.asked.get(name)} after"
        for name in _NOT_COMPARABLE
        if before.asked.get(name) != after.asked.get(name)
    ]


def compare_files(before: Path, after: Path, *, tolerance: float) -> int:
    """Print a comparison; return 1 if something got worse, 2 if a file can't be read, else 0."""
    try:
        runs = read_run(before), read_run(after)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    differences = compare(*runs, tolerance=tolerance)
    sys.stdout.write(table(differences))
    for each in unlike(*runs):
        sys.stdout.write(f"Not alike: {each}\n")
    worse = [each for each in differences if each.is_worse]
    said = ", ".join(
        f"{each.scenario} {_name(each.figure)} {each.change}".strip() for each in worse
    )
    sys.stdout.write(f"WORSE  {said}\n" if worse else f"NOT WORSE  within {tolerance:g}%\n")
    return int(bool(worse))


def table(differences: list[Difference]) -> str:
    """Return the differences as lines of text."""
    lines = [f"{'scenario':14}{'':10}{'before':>12}{'after':>12}{'change':>9}"]
    last = ""
    for each in differences:
        name = "" if each.scenario == last else each.scenario
        last = each.scenario
        mark = "  worse" if each.is_worse else ""
        before, after = (_show(each.figure, value) for value in (each.before, each.after))
        lines.append(
            f"{name:14}{_name(each.figure):10}{before:>12}{after:>12}{each.change:>9}{mark}"
        )
    return "\n".join(lines) + "\n"


def _names(before: Run, after: Run) -> list[str]:
    both = set(before.timeline.scenarios()) & set(after.timeline.scenarios())
    return [*sorted(both), ""]


def _of(
    before: Run, after: Run, name: str, tolerance: float, judged: tuple[str, ...]
) -> Iterator[Difference]:
    old = summary(before.total(name), before.duration_s)
    new = summary(after.total(name), after.duration_s)
    for figure in ("rate", *_TIMES, *_COUNTS):
        worse = figure in judged and _is_worse(figure, old[figure], new[figure], tolerance / 100)
        yield Difference(name or "all", figure, old[figure], new[figure], worse)


def _is_worse(figure: str, before: float, after: float, tolerance: float) -> bool:
    if figure in _COUNTS:
        return after > before
    if figure == "rate":
        return after < before * (1 - tolerance)
    return after > before * (1 + tolerance) and after - before >= _LEAST_MS


def _name(figure: str) -> str:
    return figure.removesuffix("_ms") + (", /s" if figure == "rate" else "")


def _show(figure: str, value: float) -> str:
    if figure.endswith("_ms"):
        return show_ms(value)
    return f"{value:,.1f}" if figure == "rate" else f"{value:,.0f}"
