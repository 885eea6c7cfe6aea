"""Run a WSGI application (Flask) on an event loop without a thread per request.

Each request runs in a greenlet of its own. Where a view has to wait, it calls `wait_for`, which
switches out of the greenlet; the event loop serves other requests until the awaited thing is done
and then switches back in. Views stay plain synchronous functions, and waiting costs microseconds
instead of a hand-over between threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# Called in the event loop's thread with what the application answered: status line, headers, body.
Answered = Callable[[str, Headers, bytes], None]

T = TypeVar("T")

log = logging.getLogger(__name__)

FAILED = "500 Internal Server Error"
# Each holds some ten kilobytes.
MOST_IDLE = 100


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait, inside a view, for something of the event loop; returns or raises what it gives.

    Raises asyncio.CancelledError when the request's client has gone meanwhile.
    """
    strand = getcurrent()
    if not isinstance(strand, _Strand):
        raise RuntimeError("wait_for was called outside a request")  # noqa: TRY004 - not a type
    future = asyncio.ensure_future(awaitable)
    if not future.done():
        strand.request.awaited = future
        future.add_done_callback(strand.switch)
        strand.loop_side.switch()
        strand.request.awaited = None
    return future.result()


class RequestRunner:
    """Runs requests through an application, any number of them at a time.

    Belongs to one event loop's thread.
    """

    def __init__(self, app: WsgiApp) -> None:
        self.app = app
        self.idle: list[_Strand] = []

    def start(self, request: RunningRequest) -> None:
        """Run a request until its view waits for something or has answered."""
        strand = self.idle.pop() if self.idle else _Strand(self)
        strand.request = request
        strand.switch()


class _Strand(greenlet):
    """Runs one request after another.

    A greenlet for each request would cost two system calls and a page fault each, since Python has
    the system make room for its frames.
    """

    def __init__(self, runner: RequestRunner) -> None:
        super().__init__()
        self.loop_side = getcurrent()
        self.request: RunningRequest
        self._runner = runner

    def run(self) -> None:
        """Run the request that is there, then wait for another; greenlet's `switch` begins here."""
        while True:
            # What a request leaves in context variables ends with it.
            Context().run(self.request.run, self._runner.app)
            # Nor may it live on here, with its connection and images, until the next one comes.
            del self.request
            if len(self._runner.idle) >= MOST_IDLE:
                return
            self._runner.idle.append(self)
            self.loop_side.switch()


class RunningRequest:
    """One request on its way through the application.

    `answered` is called once, unless the request is cancelled.
    """

    def __init__(self, environ: Environ, answered: Answered) -> None:
        self.awaited: asyncio.Future[Any] | None = None
        self._environ = environ
        self._answered = answered
        self._status = FAILED
        self._headers: Headers = []

    def cancel(self) -> None:
        """Give up what the view waits for: its client has gone."""
        if self.awaited is not None:
            self.awaited.cancel()

    def run(self, app: WsgiApp) -> None:
        """Call the application and hand on what it answers."""
        try:
            body = self._call(app)
        except asyncio.CancelledError:
            return
        # The application answers errors itself, so this is a mistake in how it is put together.
        except Exception:
            log.exception("the application failed")
            self._answered(FAILED, [], b"")
        else:
            self._answered(self._status, self._headers, body)

    def _call(self, app: WsgiApp) -> bytes:
        chunks = app(self._environ, self._start_response)
        try:
            return b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: Headers, exc_info: object = None
    ) -> Callable[[bytes], object]:
        del exc_info  # nothing has been sent yet, so a second call may replace the first
        self._status = status
        self._headers = headers
        return _no_write


def _no_write(data: bytes) -> object:  # noqa: ARG001 - WSGI's signature
    raise RuntimeError("WSGI's write() isn't offered; return the body instead")
