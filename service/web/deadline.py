"""How long a request may take: as the service says, or its sender, if that is shorter.

Any sender may say so by `?timeout=`, `Request-Timeout` or `Prefer`, a dialect have its own way.
"""

from __future__ import annotations

import math
import re
import time
from contextvars import ContextVar

from flask import Flask, request

from service.errors import InvalidRequest

NEVER = math.inf

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([^\",;\s]*)", re.IGNORECASE)

_arrived: ContextVar[float] = ContextVar("arrived", default=NEVER)
_deadline: ContextVar[float] = ContextVar("deadline", default=NEVER)


def register_deadlines(app: Flask, *, timeout_s: float) -> None:
    """Have the application read what a request says of its time before any view runs.

    Of several, and of `timeout_s`, which holds for every request, the shortest counts. Seconds
    begin when the request has arrived whole.
    """

    @app.before_request
    def read() -> None:
        environ = request.environ
        given = []
        if "timeout=" in environ["QUERY_STRING"]:
            given.append(("timeout", request.args.get("timeout")))
        if "HTTP_REQUEST_TIMEOUT" in environ:
            given.append(("Request-Timeout", environ["HTTP_REQUEST_TIMEOUT"]))
        if "HTTP_PREFER" in environ:
            given += [("Prefer: wait", text) for text in _WAIT.findall(environ["HTTP_PREFER"])[:1]]
        seconds = [_seconds(name, text) for name, text in given if text is not None]
        arrived = time.monotonic()
        _arrived.set(arrived)
        _deadline.set(arrived + min([timeout_s, *seconds]))


def deadline() -> float:
    """Return until when this request may be answered, in seconds of the monotonic clock."""
    return _deadline.get()


def allow(seconds: float) -> None:
    """Let this request take no longer than so many seconds from its arrival."""
    _deadline.set(min(_deadline.get(), _arrived.get() + seconds))


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text) if len(text) < 20 else math.nan
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InvalidRequest(f"{name}={text[:20]!r} isn't a number of seconds above 0")
    return value
