"""An HTTP proxy between the client and Azurite that counts requests and spoils answers."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.azurite_server import Azurite


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]

    @property
    def conditional(self) -> bool:
        return any(name.lower() == "if-none-match" for name in self.headers)


@dataclass
class Answer:
    """What Azurite answered, and what a fault makes of it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    announced_length: int
    reset_after_bytes: int | None = None
    stall: bool = False


Fault = Callable[[Answer], None]
Chosen = Callable[[Request], bool]


@dataclass
class FaultProxy:
    """`spoil` sets the fault; `requests` are all that came, in order."""

    azurite: Azurite
    requests: list[Request] = field(default_factory=list)
    spoiled: int = 0
    _fault: Fault | None = None
    _chosen: Chosen = lambda _request: True
    _left: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    flip_upwards: Chosen = lambda _request: False
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def connection_string(self) -> str:
        return self.azurite.connection_string_at(self.port)

    def spoil(self, fault: Fault, *, where: Chosen, times: int | None) -> None:
        """Spoil the next `times` answers to the chosen requests, None for all."""
        self._fault, self._chosen, self._left = fault, where, times

    def pass_on(self, request: Request, body: bytes) -> Answer:
        with self._lock:
            self.requests.append(request)
            if body and self.flip_upwards(request):
                self.spoiled += 1
                body = bytes([body[0] ^ 1]) + body[1:]
        upstream = http.client.HTTPConnection(self.azurite.host, self.azurite.port, timeout=30)
        try:
            upstream.request(request.method, request.path, body, request.headers)
            response = upstream.getresponse()
            data = response.read()
            length = int(response.getheader("Content-Length") or len(data))
        finally:
            upstream.close()
        answer = Answer(response.status, response.getheaders(), data, length)
        if self._takes(request) and self._fault is not None:
            self._fault(answer)
        return answer

    def _takes(self, request: Request) -> bool:
        with self._lock:
            if self._fault is None or self._left == 0 or not self._chosen(request):
                return False
            if self._left is not None:
                self._left -= 1
            self.spoiled += 1
            return True


@contextmanager
def fault_proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """Run a proxy on a free port until the block ends."""
    proxy = FaultProxy(azurite)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()))
            _send(self, proxy, proxy.pass_on(request, body))

        do_GET = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that give up on a spoiled answer are what this is for."""

    server = Server(("127.0.0.1", 0), Handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _send(handler: BaseHTTPRequestHandler, proxy: FaultProxy, answer: Answer) -> None:
    if answer.stall:
        proxy.over.wait(30)
        handler.close_connection = True
        return
    if answer.reset_after_bytes == 0:
        _reset(handler)
        return
    handler.send_response_only(answer.status)
    for name, value in answer.headers:
        if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
            handler.send_header(name, value)
    if answer.status != 304:
        handler.send_header("Content-Length", str(answer.announced_length))
    handler.end_headers()
    if handler.command == "HEAD":
        return
    if answer.reset_after_bytes is not None:
        handler.wfile.write(answer.body[: answer.reset_after_bytes])
        handler.wfile.flush()
        _reset(handler)
        return
    handler.wfile.write(answer.body)
    if len(answer.body) != answer.announced_length:
        handler.close_connection = True


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Close so that the other side gets a reset, not an end."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def reset_before_the_answer(answer: Answer) -> None:
    answer.reset_after_bytes = 0


def reset_in_the_middle(answer: Answer) -> None:
    answer.reset_after_bytes = max(1, len(answer.body) // 2)


def stall(answer: Answer) -> None:
    answer.stall = True


def status_500(answer: Answer) -> None:
    answer.status, answer.body, answer.announced_length = 500, b"", 0


def status_503(answer: Answer) -> None:
    answer.status, answer.body, answer.announced_length = 503, b"busy", 4


def truncated_body(answer: Answer) -> None:
    answer.body = answer.body[: len(answer.body) // 2]


def length_too_small(answer: Answer) -> None:
    answer.announced_length = len(answer.body) // 2
    answer.body = answer.body[: answer.announced_length]


def length_too_large(answer: Answer) -> None:
    answer.announced_length = len(answer.body) + 100


def flipped_byte(answer: Answer) -> None:
    if answer.body:
        spoiled = bytearray(answer.body)
        spoiled[len(spoiled) // 3] ^= 1
        answer.body = bytes(spoiled)


def empty_answer(answer: Answer) -> None:
    answer.body, answer.announced_length = b"", 0


FAULTS: tuple[Fault, ...] = (
    reset_before_the_answer,
    reset_in_the_middle,
    stall,
    status_500,
    status_503,
    truncated_body,
    length_too_small,
    length_too_large,
    flipped_byte,
    empty_answer,
)
