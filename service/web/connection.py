"""One client's connection: HTTP/1.1 over gunicorn's C parser, one request after another."""

from __future__ import annotations

import asyncio
import enum
import logging
from typing import Protocol, cast

from gunicorn_h1c import H1CProtocol, LimitRequestHeaders, LimitRequestLine

from service import metrics
from service.web.bridge import Environ, Headers, RequestRunner, RunningRequest
from service.web.head import (
    BadHead,
    add_body,
    add_request,
    announced_length,
    connection_environ,
    response_bytes,
)
from service.web.limits import HttpLimits

log = logging.getLogger(__name__)

NEVER = float("inf")
# The event loop hands over no more than this at once, so no more than this can follow a request.
READ_BYTES = 256 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The dialect of requests that never reached the application.
REFUSED = "refused"
BUSY = "503 Service Unavailable"


class Phase(enum.Enum):
    """What a connection is doing."""

    IDLE = "between requests"
    HEAD = "receiving a head"
    BODY = "receiving a body"
    RUNNING = "waiting for the application"
    WRITING = "waiting for the client to take the answer"
    DRAINING = "dropping the rest of a body that is too large"
    CLOSING = "closing"


class House(Protocol):
    """What the connections of a worker share."""

    runner: RequestRunner
    limits: HttpLimits
    loop: asyncio.AbstractEventLoop
    connections: set[Connection]
    stopping: bool
    held: int


class Connection(asyncio.Protocol):
    """Takes requests off a socket, has the application answer them, writes the answers in order.

    The worker looks at `due` now and then and calls `overdue` for connections past it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._limits = house.limits
        self._phase = Phase.IDLE
        self.due = NEVER
        self._parser = self._new_parser()
        self._base: Environ = {}
        self._environ: Environ = {}
        self._body: list[bytes] = []
        self._size = 0
        self._held = 0
        self._fed = 0
        self._later = b""
        self._feeding = False
        self._running: RunningRequest | None = None
        self._last = False

    # --- what the event loop calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; past the limit, answer that there is no room and close."""
        self._transport = cast("asyncio.Transport", transport)
        self._base = connection_environ(
            transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        )
        self._house.connections.add(self)
        self._enter(Phase.HEAD, self._limits.head_s)
        if len(self._house.connections) > self._limits.connections:
            self._refuse(BUSY, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give up what runs for this client."""
        self._forget_body()
        self._enter(Phase.CLOSING, NEVER)
        self._house.connections.discard(self)
        # It holds this object's methods in a way that the garbage collector doesn't see.
        del self._parser
        if self._running is not None:
            self._running.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes: of the request that is being received, or of a later one."""
        if self._phase in (Phase.RUNNING, Phase.WRITING):
            self._later += data
            self._transport.pause_reading()
        elif self._phase is not Phase.CLOSING:
            self._feed(data)

    def pause_writing(self) -> None:
        """Take no further request before the client has taken this answer."""
        if self._phase is not Phase.CLOSING:
            self._enter(Phase.WRITING, self._limits.write_s)

    def resume_writing(self) -> None:
        """Go on with the next request."""
        if self._phase is Phase.WRITING:
            self._next()

    # --- what the worker calls -------------------------------------------------------------------

    def overdue(self) -> None:
        """End a connection whose client takes too long."""
        if self._phase in (Phase.HEAD, Phase.BODY) and self._fed:
            self._refuse("408 Request Timeout", f"took too long while {self._phase.value}")
        elif self._phase in (Phase.WRITING, Phase.CLOSING):
            self._transport.abort()
        else:
            self._close()

    def stop(self) -> None:
        """Let what has begun finish and take nothing further."""
        if self._phase is Phase.IDLE or (self._phase is Phase.HEAD and not self._fed):
            self._close()

    # --- receiving -------------------------------------------------------------------------------

    def _new_parser(self) -> H1CProtocol:
        return H1CProtocol(
            on_headers_complete=self._head_complete,
            on_body=self._body_received,
            on_message_complete=self._message_complete,
            limit_request_line=self._limits.request_line,
            limit_request_fields=self._limits.fields,
            limit_request_field_size=self._limits.field,
            limit_remaining=READ_BYTES,
        )

    def _feed(self, data: bytes) -> None:
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD, self._limits.head_s)
        self._fed += len(data)
        self._feeding = True
        try:
            self._parser.feed(data)
            self._check_size()
        except BadHead as error:
            self._refuse(error.status, str(error))
        except LimitRequestLine as error:
            self._refuse("414 URI Too Long", str(error))
        except LimitRequestHeaders as error:
            self._refuse("431 Request Header Fields Too Large", str(error))
        # The parser's own errors, which share this base only.
        except ValueError as error:
            self._refuse("400 Bad Request", str(error))
        finally:
            self._feeding = False
        if self._phase is Phase.IDLE:
            self._begin_next()

    def _check_size(self) -> None:
        """Bound what the parser holds back: an endless head, extensions of chunks, trailers."""
        if self._phase is Phase.HEAD and self._fed > self._limits.head:
            raise BadHead("431 Request Header Fields Too Large", "the head is too large")
        if self._phase is Phase.BODY and self._fed > 2 * (self._limits.body + self._limits.head):
            self._too_large()
        if self._phase is Phase.DRAINING and self._fed > self._limits.drain:
            self._close()

    def _head_complete(self) -> bool:
        parser, limits = self._parser, self._limits
        if self._phase is not Phase.HEAD:
            return False
        self._environ = self._base.copy()
        self._last = not parser.should_keep_alive
        add_request(
            self._environ, parser.method, parser.path, parser.http_version, parser.asgi_headers
        )
        length = announced_length(self._environ)
        seconds = limits.body_s + (length or 0) / limits.body_bytes_s
        self._enter(Phase.BODY, seconds)
        if length is not None and length > limits.body:
            self._too_large()
            return False
        self._hold(length or 0)
        if self._environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self._transport.write(CONTINUE)
        return False

    def _body_received(self, chunk: bytes) -> None:
        if self._phase is not Phase.BODY:
            return
        self._body.append(chunk)
        self._size += len(chunk)
        if self._size > self._limits.body:
            self._too_large()
        elif self._parser.is_chunked:
            self._hold(len(chunk))
            self.due += len(chunk) / self._limits.body_bytes_s

    def _message_complete(self) -> None:
        if self._phase is Phase.DRAINING:
            self._close()
        elif self._phase is Phase.BODY:
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body = []
            self._run(body, too_large=False)

    def _too_large(self) -> None:
        """Have the application say so, with an empty body, and drop what still comes."""
        self._forget_body()
        self._last = True
        self._run(b"", too_large=True)

    def _hold(self, size: int) -> None:
        """Take room for so many bytes of a body until the request is answered."""
        if self._house.held + size > self._limits.all_bodies:
            raise BadHead(BUSY, "too many large requests at once")
        self._house.held += size
        self._held += size

    def _forget_body(self) -> None:
        self._house.held -= self._held
        self._held = self._size = 0
        self._body = []

    # --- answering -------------------------------------------------------------------------------

    def _run(self, body: bytes, *, too_large: bool) -> None:
        add_body(self._environ, body)
        self._environ["hotshelf.body_too_large"] = too_large
        if too_large:
            self._enter(Phase.DRAINING, self._limits.drain_s)
        else:
            # Requests have deadlines of their own.
            self._enter(Phase.RUNNING, NEVER)
        self._running = RunningRequest(self._environ, self._answer)
        self._house.runner.start(self._running)

    def _answer(self, status: str, headers: Headers, body: bytes) -> None:
        self._running = None
        self._forget_body()
        if self._phase is Phase.CLOSING:
            return
        last = self._last or self._house.stopping
        self._transport.write(
            response_bytes(
                status,
                headers,
                body,
                method=self._environ["REQUEST_METHOD"],
                last=last,
                old=self._environ["SERVER_PROTOCOL"] == "HTTP/1.0",
            )
        )
        if self._phase is Phase.DRAINING:
            return
        if last:
            self._close()
        elif self._phase is Phase.RUNNING:
            self._next()

    def _next(self) -> None:
        """Make ready for the next request, which may have come already."""
        self._enter(Phase.IDLE, self._limits.idle_s)
        if self._house.stopping:
            self._close()
            return
        # In the middle of its callbacks, the parser can't be reset yet; `_feed` does it then.
        if not self._feeding:
            self._begin_next()

    def _begin_next(self) -> None:
        later = self._parser.remaining() + self._later
        self._parser.reset()
        self._later = b""
        self._fed = 0
        if later:
            self._transport.pause_reading()
            self._house.loop.call_soon(self._go_on, later)
        else:
            self._transport.resume_reading()

    def _go_on(self, later: bytes) -> None:
        self._transport.resume_reading()
        self.data_received(later)

    def _refuse(self, status: str, reason: str) -> None:
        """Answer what never reached the application, and close."""
        log.info("refused a request with %s: %s", status, reason)
        phrase = status.partition(" ")[2]
        metrics.REJECTIONS.labels(phrase.lower().replace(" ", "_")).inc()
        metrics.REQUESTS.labels(REFUSED, status[:3], "").inc()
        headers = [("Content-Type", "application/json")]
        if status == BUSY:
            headers.append(("Retry-After", "1"))
        body = b'{"error":"' + reason.encode("ascii", "replace").replace(b'"', b"'") + b'"}'
        self._transport.write(
            response_bytes(status, headers, body, method="", last=True, old=False)
        )
        self._close()

    def _close(self) -> None:
        """Close once the client has taken what was written; `overdue` ends waiting for that."""
        self._forget_body()
        self._enter(Phase.CLOSING, self._limits.write_s)
        self._transport.close()

    def _enter(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self.due = self._house.loop.time() + seconds
