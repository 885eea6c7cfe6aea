"""SIGTERM and SIGINT as a wish to stop, heard between two steps; SIGTERM as an exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from training.errors import Interrupted

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Remembers the first signal; a second one of the same kind ends the process at once."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        """Return whether somebody asked to stop."""
        return self.signal_number is not None

    def make(self, signal_number: int) -> None:
        """Ask to stop."""
        self.signal_number = signal_number


@contextmanager
def listen() -> Iterator[StopRequest]:
    """Turn signals into a StopRequest within the block; the main thread's only."""
    request = StopRequest()

    def hear(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        request.make(signal_number)
        signal.signal(signal_number, before[signal_number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, hear)
    try:
        yield request
    finally:
        for number in _SIGNALS:
            signal.signal(number, before[number])


@contextmanager
def interruptible(doing: str) -> Iterator[None]:
    """Have SIGTERM end the block as SIGINT does: with an exception, so that it leaves nothing.

    Raises Interrupted, whose message says what was going on: `doing`, as in "exporting". A second
    SIGTERM is as if there were no block. The main thread's only.
    """

    def end(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        signal.signal(signal_number, before)
        raise Interrupted(
            f"stopped by {signal.Signals(signal_number).name} while {doing}; the same command "
            "begins that again",
            signal_number,
        )

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
