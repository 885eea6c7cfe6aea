"""What the launcher passes on: signals and signs of life to its ranks, their output to the user."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ALIVE_S = 10.0


@contextmanager
def relaying(stop: Callable[[int], None], beat: Callable[[], None]) -> Iterator[None]:
    """Call `stop` with each SIGTERM and SIGINT, and `beat` every few seconds, from threads."""
    with _signals_to(stop), _beating(beat):
        yield


@contextmanager
def _signals_to(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` with each SIGTERM and SIGINT, from a thread.

    Horovod's launcher takes the handlers for itself and doesn't say which signal it was; Python
    writes the number of each signal that has a handler into this pipe as well.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: None)

    def pass_on() -> None:
        while numbers := os.read(read, 64):
            for each in numbers:
                if each in before:
                    stop(each)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    signal.set_wakeup_fd(write)
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(write)
        thread.join()
        os.close(read)


@contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every few seconds, from a thread."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(_ALIVE_S):
            beat()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def to_stdout(line: str) -> None:
    """Show a line."""
    sys.stdout.write(line)
    sys.stdout.flush()


def to_stderr(chunk: bytes) -> None:
    """Show what belongs to standard error."""
    sys.stderr.buffer.write(chunk)
    sys.stderr.buffer.flush()


def to_nowhere(_: object) -> None:
    """Show nothing."""
