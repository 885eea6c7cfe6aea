"""Wait for another process by looking again and again, never longer than needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

BETWEEN_LOOKS_S = 0.05


def eventually(look: Callable[[], T], *, within_s: float, what: str) -> T:
    """Return the first true result of `look`; fail the test if there is none in time."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        result = look()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        pause.wait(BETWEEN_LOOKS_S)
