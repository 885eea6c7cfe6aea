"""Heads of requests and responses: from HTTP's fields to WSGI's environment, and back to bytes."""

from __future__ import annotations

import io
import sys
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote_to_bytes

from service.web.bridge import Environ, Headers

Fields = list[tuple[bytes, bytes]]


class BadHead(Exception):
    """The request's head can't be taken; `status` is the line to answer it with."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def connection_environ(server: Any, client: Any) -> Environ:
    """Return the part of WSGI's environment that all requests of a connection share.

    `server` and `client` are addresses as sockets give them; of a Unix socket, they are strings.
    """
    host, port = server[:2] if isinstance(server, tuple) else (str(server), "")
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client[0] if isinstance(client, tuple) else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        # The body has been read to its end, so nobody needs to count bytes.
        "wsgi.input_terminated": True,
    }


def add_request(
    environ: Environ, method: bytes, target: bytes, version: tuple[int, int], fields: Fields
) -> None:
    """Add a request's head to the environment (PEP 3333); names of `fields` are lower-case.

    Raises BadHead for what has no place in one. A field with an underscore in its name is left
    out: it would be taken for the one with a hyphen, which a proxy may have checked.
    """
    path, _, query = _path_of(target).partition(b"?")
    if not query.isascii() and not _is_text(query):
        raise BadHead("400 Bad Request", "the query isn't UTF-8")
    environ["REQUEST_METHOD"] = method.decode("latin-1")
    environ["PATH_INFO"] = (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1")
    environ["QUERY_STRING"] = query.decode("latin-1")
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if version[1] else "HTTP/1.0"
    for name, value in fields:
        key = _KEYS.get(name)
        if key is None:
            if not name:
                raise BadHead("400 Bad Request", "a header field is folded")
            if b"_" in name:
                continue
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    if version[1] and "HTTP_HOST" not in environ:
        raise BadHead("400 Bad Request", "the Host field is missing")


def add_body(environ: Environ, body: bytes) -> None:
    """Add the whole body."""
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)


def announced_length(environ: Environ) -> int | None:
    """Return the length that the head gives, None if it gives none; BadHead for other codings."""
    coding = environ.pop("HTTP_TRANSFER_ENCODING", None)
    if coding is not None and coding.strip().lower() != "chunked":
        raise BadHead("400 Bad Request", f"Transfer-Encoding {coding!r} isn't known; chunked is")
    length = environ.get("CONTENT_LENGTH")
    return None if length is None else int(length)


def response_bytes(
    status: str, headers: Headers, body: bytes, *, method: str, last: bool, old: bool
) -> bytes:
    """Return the response as it goes over the wire.

    `last` says that the connection ends with it; `old` that the client speaks HTTP/1.0, which has
    to be told when the connection stays.
    """
    lines = [f"HTTP/1.1 {status}\r\nDate: {_now()}\r\n"]
    measured = False
    for name, value in headers:
        measured = measured or name.lower() == "content-length"
        lines.append(f"{name}: {value}\r\n")
    if not measured and status[:3] not in ("204", "304"):
        lines.append(f"Content-Length: {len(body)}\r\n")
    if last:
        lines.append("Connection: close\r\n")
    elif old:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    head = "".join(lines).encode("latin-1")
    return head if method == "HEAD" else head + body


def _path_of(target: bytes) -> bytes:
    if target.startswith(b"/") or target == b"*":
        return target
    # A proxy may be asked with the whole URL, and servers must take it too (RFC 9112, 3.2.2).
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise BadHead("400 Bad Request", "the request's target is neither a path nor a URL")
    return b"/" + rest.partition(b"/")[2]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Clock:
    """The Date field's value, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True)
        return self._text


_now = _Clock()

_KEYS = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    **{
        name: "HTTP_" + name.decode().upper().replace("-", "_")
        for name in (
            b"host", b"accept", b"accept-encoding", b"connection", b"user-agent", b"authorization",
            b"expect", b"transfer-encoding", b"inference-header-content-length", b"x-request-id",
        )
    },
}  # fmt: skip
