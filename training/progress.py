"""Progress that people watch: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from tqdm import tqdm

LOG_INTERVAL_S = 15.0

# The one unit that people want to read in millions.
BYTES = "bytes"


class Bar(Protocol):
    """One running task."""

    def advance(self, count: int = 1, **facts: str) -> None:
        """Report `count` more units done, with facts (loss, accuracy) to show beside them."""
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
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            unit="B" if unit == BYTES else f" {unit}",
            unit_scale=unit == BYTES,
            file=stream,
            dynamic_ncols=True,
            smoothing=0.1,
        )

    def advance(self, count: int = 1, **facts: str) -> None:
        if facts:
            self._bar.set_postfix(facts, refresh=False)
        self._bar.update(count)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.close()


class SilentBars:
    """Shows nothing: another process does."""

    def open(self, title: str, *, total: int, unit: str, done: int = 0) -> Bar:  # noqa: ARG002
        """Return a task that isn't shown."""
        return _SilentBar()

    def say(self, line: str) -> None:
        """Say nothing."""


class _SilentBar:
    def advance(self, count: int = 1, **facts: str) -> None:
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
        self._started = self._spoke = clock()

    def advance(self, count: int = 1, **facts: str) -> None:
        self._done += count
        self._facts.update(facts)
        if self._clock() - self._spoke >= self._interval_s and self._done < self._total:
            self._spoke = self._clock()
            self._say(self._line())

    def _line(self) -> str:
        elapsed_s = self._clock() - self._started
        rate = (self._done - self._first) / elapsed_s if elapsed_s > 0 else 0.0
        done, total, unit = self._shown(self._done), self._shown(self._total), self._shown_unit()
        parts = [f"{self._title}: {done}/{total} {unit}"]
        parts += [f"{name} {value}" for name, value in self._facts.items()]
        if rate > 0:
            shown = f"{rate / 1e6:,.1f}" if self._unit == BYTES else f"{rate:,.1f}"
            parts.append(f"{shown} {unit}/s")
        if 0 < self._done < self._total and rate > 0:
            parts.append(f"{duration((self._total - self._done) / rate)} left")
        else:
            parts.append(f"took {duration(elapsed_s)}")
        return ", ".join(parts)

    def _shown(self, count: int) -> str:
        return f"{count / 1e6:,.1f}" if self._unit == BYTES else f"{count:,}"

    def _shown_unit(self) -> str:
        return "MB" if self._unit == BYTES else self._unit

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            self._say(self._line())


def duration(seconds: float) -> str:
    """Return seconds the way people read them: `8 s`, `3:05`, `1:02:03`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
