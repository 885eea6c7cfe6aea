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


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait, inside a view, for something of the event loop; returns or raises what it gives.

    Raises asyncio.CancelledError when the request's client has gone meanwhile.
    """
    request = getcurrent()
    if not isinstance(request, RunningRequest):
        raise RuntimeError("wait_for was called outside a request")  # noqa: TRY004 - not a type
    future = asyncio.ensure_future(awaitable)
    if not future.done():
        request.awaited = future
        future.add_done_callback(request.switch)
        request.loop_side.switch()
        request.awaited = None
    return future.result()


class RunningRequest(greenlet):
    """One request on its way through the application.

    Lives in the event loop's thread. `answered` is called once, unless the request is cancelled.
    """

    def __init__(self, app: WsgiApp, environ: Environ, answered: Answered) -> None:
        super().__init__()
        self.loop_side = getcurrent()
        self.awaited: asyncio.Future[Any] | None = None
        self._app = app
        self._environ = environ
        self._answered = answered
        self._status = FAILED
        self._headers: Headers = []

    def start(self) -> None:
        """Run until the view waits for something or has answered."""
        self.switch()

    def cancel(self) -> None:
        """Give up what the view waits for: its client has gone."""
        if self.awaited is not None:
            self.awaited.cancel()

    def run(self) -> None:
        """Call the application; greenlet's `switch` begins here."""
        try:
            body = self._call()
        except asyncio.CancelledError:
            return
        # The application answers errors itself, so this is a mistake in how it is put together.
        except Exception:
            log.exception("the application failed")
            self._answered(FAILED, [], b"")
        else:
            self._answered(self._status, self._headers, body)

    def _call(self) -> bytes:
        chunks = self._app(self._environ, self._start_response)
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
