"""What ties together everything that concerns one request, whichever process says it."""

from __future__ import annotations

import itertools
import os
import re
from contextvars import ContextVar
from dataclasses import dataclass

# Ids come back in headers and in logs, so only characters that neither can misread are taken.
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=+/@-]{0,127}")


@dataclass(frozen=True, slots=True)
class Correlation:
    """A request's id and, where it is traced, the W3C `traceparent` of the span that waits."""

    request_id: str = ""
    traceparent: str = ""

    def encode(self) -> bytes:
        """Return both in one line; neither has a space in it."""
        return f"{self.request_id} {self.traceparent}".encode()

    @classmethod
    def parse(cls, line: bytes) -> Correlation:
        """Read what `encode` wrote."""
        request_id, _, traceparent = line.decode().partition(" ")
        return cls(request_id, traceparent)


NOBODY = Correlation()

_current: ContextVar[Correlation] = ContextVar("correlation", default=NOBODY)


def current() -> Correlation:
    """Return the correlation of the request that this code runs for; NOBODY outside of one."""
    return _current.get()


def enter(correlation: Correlation) -> None:
    """Let what runs from here on, in this request's greenlet or thread, belong to it."""
    _current.set(correlation)


class RequestIds:
    """Gives each request an id: its own if it came with a sane one, else one that nobody has.

    Made ids begin with eight random hexadecimal digits of the process and end with a number that
    counts up: unique over processes and restarts, without a system call for each request.
    """

    def __init__(self) -> None:
        self._process = os.urandom(4).hex()
        self._numbers = itertools.count(1)

    def choose(self, sent: str | None) -> str:
        """Return `sent` if it can be logged and sent back as it is, else a new id."""
        if sent is not None and _SANE_ID.fullmatch(sent):
            return sent
        return f"{self._process}-{next(self._numbers):x}"
