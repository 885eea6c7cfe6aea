"""Run a WSGI application (Flask) on an ASGI server without a thread per request.

Each request runs in a greenlet of its own. Where a view has to wait, it calls `wait_for`, which
switches out of the greenlet; the event loop serves other requests until the awaited thing is done
and then switches back in. Views stay plain synchronous functions, and waiting costs microseconds
instead of a hand-over between threads.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import quote

from greenlet import getcurrent, greenlet

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

T = TypeVar("T")

# A client that is told its body is too large usually goes on sending and only then reads the
# answer; closing on it at once would reset the connection and lose the answer. So the rest is read
# and dropped, up to these bounds.
DRAIN_BYTES = 1024 * 1024 * 1024
DRAIN_S = 30.0


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait, inside a view, for something of the event loop; returns or raises what it gives."""
    loop_side = getcurrent().parent
    if loop_side is None:
        raise RuntimeError("wait_for was called outside a request")
    return cast("T", loop_side.switch(awaitable))


class WsgiOnAsgi:
    """An ASGI application that serves a WSGI one.

    A request's body is held in memory, so one of more than `max_body` bytes never reaches the WSGI
    application with its content: it gets an empty body and `hotshelf.body_too_large` in its
    environment, and what the client still sends is read and dropped.
    """

    def __init__(self, app: WsgiApp, *, max_body: int) -> None:
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        try:
            body = await self._read_body(scope, receive)
        except ClientGone:
            return
        too_large = body is None
        environ = _environ(scope, body or b"")
        environ["hotshelf.body_too_large"] = too_large
        status, headers, content = await _run(self._app, environ)
        if too_large:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        if too_large:
            await _drain(receive)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body, or None as soon as it is known to be too large."""
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_body:
                return None
        message = await receive()
        if not message.get("more_body"):
            return _chunk(message)
        chunks, size = [_chunk(message)], len(_chunk(message))
        while message.get("more_body"):
            message = await receive()
            chunks.append(_chunk(message))
            size += len(chunks[-1])
            if size > self._max_body:
                return None
        return b"".join(chunks)


def _chunk(message: Event) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    return cast("bytes", message.get("body", b""))


async def _drain(receive: Receive) -> None:
    dropped = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while dropped < DRAIN_BYTES:
                message = await receive()
                dropped += len(_chunk(message))
                if not message.get("more_body"):
                    return
    except (ClientGone, TimeoutError):
        return


async def _run(
    app: WsgiApp, environ: dict[str, Any]
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Run the application in a greenlet and await on its behalf whatever it waits for."""
    response = _Response()

    def call() -> bytes:
        body = app(environ, response.start)
        try:
            return b"".join(body)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    request = greenlet(call)
    result = request.switch()
    while not request.dead:
        try:
            value = await result
        # Whatever the awaited thing raises (a cancellation too) belongs to the view that waits.
        except BaseException as error:  # noqa: BLE001
            result = request.throw(error)
        else:
            result = request.switch(value)
    return response.status, response.headers, result


class _Response:
    """What the application passes to WSGI's `start_response`."""

    def __init__(self) -> None:
        self.status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        self.headers: list[tuple[bytes, bytes]] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        del exc_info  # nothing has been sent yet, so a second call may replace the first
        self.status = int(status.split(" ", 1)[0])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return _no_write


def _no_write(data: bytes) -> object:  # noqa: ARG001 - WSGI's signature
    raise RuntimeError("WSGI's write() isn't offered; return the body instead")


def _environ(scope: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """Build the WSGI environment (PEP 3333) of an ASGI request."""
    server = scope.get("server") or ("127.0.0.1", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # ASGI gives decoded text, WSGI wants the bytes as Latin-1.
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": quote(scope["query_string"], safe="%&=+/?:;@!$'()*,-._~[]"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = _HEADER_KEYS.get(name) or _header_key(name)
        text = value.decode("latin-1")
        if key == "CONTENT_LENGTH":
            continue
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


def _header_key(name: bytes) -> str:
    return "HTTP_" + name.decode("latin-1").upper().replace("-", "_")


_HEADER_KEYS = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    **{
        name: _header_key(name)
        for name in (b"host", b"accept", b"accept-encoding", b"connection", b"user-agent")
    },
}
