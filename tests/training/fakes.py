"""Stand-ins for what training talks to."""

from __future__ import annotations

from training.position import Position
from training.progress import NO_FACTS, Bar, Facts


class RecordedBar:
    """Counts what is reported."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title = title
        self.total = total
        self.done = done
        self.run_left_s: float | None = None

    def advance(
        self, count: int = 1, facts: Facts = NO_FACTS, *, run_left_s: float | None = None
    ) -> None:
        self.done += count
        self.run_left_s = run_left_s

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class RecordedBars:
    """Keeps bars and lines for tests to look at."""

    def __init__(self) -> None:
        self.bars: list[RecordedBar] = []
        self.lines: list[str] = []

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:
        bar = RecordedBar(title, total, done)
        self.bars.append(bar)
        return bar

    def say(self, line: str) -> None:
        self.lines.append(line)


class RecordedActions:
    """Does nothing but move on, and remembers what it was told to do."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def train(self, now: Position) -> Position:
        self.done.append(f"train {now.step + 1}")
        return Position(step=now.step + 1, evaluated_step=now.evaluated_step, meter=now.meter)

    def evaluate(self, now: Position) -> Position:
        self.done.append(f"evaluate {now.step}")
        return Position(step=now.step, evaluated_step=now.step)

    def save(self, now: Position) -> None:
        self.done.append(f"save {now.step}")
