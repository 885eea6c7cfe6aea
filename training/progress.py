"""Progress that people watch: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TextIO

from tqdm import tqdm

LOG_INTERVAL_S = 15.0

# The one unit that people want to read in millions.
BYTES = "bytes"

Facts = Mapping[str, str]
NO_FACTS: Facts = MappingProxyType({})


class Bar(Protocol):
    """One running task."""

    def advance(
        self, count: int = 1, facts: Facts = NO_FACTS, *, run_left_s: float | None = None
    ) -> None:
        """Report `count` more units done, with facts (loss, accuracy) to show beside them.

        `run_left_s` is the time until the whole run is done, where this task is only a part of it.
        """
        ...

    def __enter__(self) -> Bar: ...

    def __exit__(self, *exc: object) -> None: ...


class Bars(Protocol):
    """Makes bars, and prints what isn't one."""

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:
        """Return a bar for `total` units, of which `done` were done before."""
        ...

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        ...


def make_bars(stream: TextIO | None = None) -> Bars:
    """Return terminal bars when `stream` (stderr by default) is a terminal, else log lines."""
    stream = stream or sys.stderr
    return TerminalBars(stream) if stream.isatty() else LogBars(stream)


class TerminalBars:
    """tqdm bars."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:
        """Return a tqdm bar."""
        return _TerminalBar(self._stream, title, total, unit, done)

    def say(self, line: str) -> None:
        """Print the line above running bars."""
        tqdm.write(line, file=self._stream)


class _TerminalBar:
    def __init__(self, stream: TextIO, title: str, total: int, unit: str, done: int) -> None:
        self._bar = _Tqdm(
            total=total,
            initial=done,
            desc=title,
            unit=unit,
            file=stream,
            dynamic_ncols=True,
            smoothing=0.1,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {facts}",
        )

    def advance(
        self, count: int = 1, facts: Facts = NO_FACTS, *, run_left_s: float | None = None
    ) -> None:
        self._bar.facts.update(facts)
        self._bar.run_left_s = run_left_s
        self._bar.update(count)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()


class _Tqdm(tqdm):
    """A bar whose width is what the facts leave: they matter more."""

    def __init__(self, **options: Any) -> None:
        self.facts: dict[str, str] = {}
        self.run_left_s: float | None = None
        super().__init__(**options)

    @property
    def format_dict(self) -> dict[str, Any]:
        known: dict[str, Any] = super().format_dict
        done, total, elapsed_s = known["n"], known["total"], known["elapsed"]
        mean = (done - known["initial"]) / elapsed_s if elapsed_s > 0 else 0.0
        parts = [f"{name} {value}" for name, value in self.facts.items()]
        if not parts:
            parts.append(_amount(done, total, known["unit"]))
        # At the end, what counts is how fast it was, not how fast it got.
        recent = mean if done >= total else known["rate"] or mean
        parts += _pace(
            recent, done, total, known["unit"], elapsed_s=elapsed_s, run_left_s=self.run_left_s
        )
        return known | {"facts": ", ".join(parts)}


class SilentBars:
    """Shows nothing: another process does."""

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:  # noqa: ARG002
        """Return a task that isn't shown."""
        return _SilentBar()

    def say(self, line: str) -> None:
        """Say nothing."""


class _SilentBar:
    def advance(
        self, count: int = 1, facts: Facts = NO_FACTS, *, run_left_s: float | None = None
    ) -> None:
        pass

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class LogBars:
    """Lines for logs: one at the end of each task, and one every `interval_s` while it runs."""

    def __init__(
        self,
        stream: TextIO,
        *,
        interval_s: float = LOG_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._clock = clock

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:
        """Return a task that prints lines."""
        return _LogBar(
            self.say, self._clock, self._interval_s, title=title, total=total, unit=unit, done=done
        )

    def say(self, line: str) -> None:
        """Print the line at once."""
        print(line, file=self._stream, flush=True)


class _LogBar:
    def __init__(
        self,
        say: Callable[[str], None],
        clock: Callable[[], float],
        interval_s: float,
        *,
        title: str,
        total: int,
        unit: str,
        done: int,
    ) -> None:
        self._say = say
        self._clock = clock
        self._interval_s = interval_s
        self._title = title
        self._total = total
        self._unit = unit
        self._first = self._done = done
        self._facts: dict[str, str] = {}
        self._run_left_s: float | None = None
        self._started = self._spoke = clock()

    def advance(
        self, count: int = 1, facts: Facts = NO_FACTS, *, run_left_s: float | None = None
    ) -> None:
        self._done += count
        self._facts.update(facts)
        self._run_left_s = run_left_s
        if self._clock() - self._spoke >= self._interval_s and self._done < self._total:
            self._spoke = self._clock()
            self._say(self._line())

    def _line(self) -> str:
        elapsed_s = self._clock() - self._started
        rate = (self._done - self._first) / elapsed_s if elapsed_s > 0 else 0.0
        parts = [f"{self._title}: {_amount(self._done, self._total, self._unit)}"]
        parts += [f"{name} {value}" for name, value in self._facts.items()]
        parts += _pace(
            rate,
            self._done,
            self._total,
            self._unit,
            elapsed_s=elapsed_s,
            run_left_s=self._run_left_s,
        )
        return ", ".join(parts)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            self._say(self._line())


def _amount(done: int, total: int, unit: str) -> str:
    if unit == BYTES:
        return f"{done / 1e6:,.1f}/{total / 1e6:,.1f} MB"
    return f"{done:,}/{total:,} {unit}"


def _pace(
    rate: float,
    done: int,
    total: int,
    unit: str,
    *,
    elapsed_s: float,
    run_left_s: float | None,
) -> list[str]:
    """Return how fast it goes and how long it takes."""
    parts = []
    if rate > 0:
        shown = f"{rate / 1e6:,.1f} MB" if unit == BYTES else f"{_short(rate)} {unit}"
        parts.append(f"{shown}/s")
    if 0 < done < total and rate > 0:
        parts.append(f"{duration((total - done) / rate)} left")
        if run_left_s is not None:
            parts.append(f"run {duration(run_left_s)}")
    else:
        parts.append(f"took {duration(elapsed_s)}")
    return parts


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 1000 else f"{rate:,.1f}"


def duration(seconds: float) -> str:
    """Return seconds the way people read them: `8 s`, `3:05`, `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
