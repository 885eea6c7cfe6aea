"""The engine's end: accepts workers and hands their requests to a handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

from service.ipc.messages import Cancel, Message, Reply, Request
from service.ipc.wire import FrameReader, Outbox, ProtocolError

log = logging.getLogger(__name__)


class Caller:
    """Whoever waits for the reply to one request. Lives in the event loop's thread."""

    __slots__ = ("_outbox", "_waiting", "left", "number")

    def __init__(self, number: int, outbox: Outbox, waiting: dict[int, Caller]) -> None:
        self.number = number
        # True once nobody wants the reply any more: the client left, or its worker died.
        self.left = False
        self._outbox = outbox
        self._waiting = waiting
        waiting[number] = self

    def reply(self, message: Reply) -> None:
        """Send the reply; to be called once."""
        if self._waiting.pop(self.number, None) is not None:
            self._outbox.send(self.number, message)


# Called in the event loop's thread; must reply once, now or later, from that thread, or not at all
# when the caller has left.
Handler = Callable[[Request, Caller], None]


async def listen(socket_path: Path, handle: Handler) -> asyncio.AbstractServer:
    """Serve workers on a Unix socket that only this user may open."""
    loop = asyncio.get_running_loop()
    socket_path.unlink(missing_ok=True)
    server = await loop.create_unix_server(lambda: _Worker(loop, handle), str(socket_path))
    socket_path.chmod(0o600)
    return server


class _Worker(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Handler) -> None:
        self._loop = loop
        self._handle = handle
        self._reader = FrameReader()
        self._waiting: dict[int, Caller] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._outbox = Outbox(self._loop, cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        try:
            for number, message in self._reader.feed(data):
                self._take(number, message)
        except ProtocolError as error:
            log.error("a worker sent something unreadable: %s", error)  # noqa: TRY400
            self._outbox.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        for number in list(self._waiting):
            self._leave(number)

    def _take(self, number: int, message: Message) -> None:
        if isinstance(message, Cancel):
            self._leave(number)
        else:
            request = cast("Request", message)
            self._handle(request, Caller(number, self._outbox, self._waiting))

    def _leave(self, number: int) -> None:
        caller = self._waiting.pop(number, None)
        if caller is not None:
            caller.left = True
