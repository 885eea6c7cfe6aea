"""The engine's end: accepts workers and hands their requests to a handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from service.ipc.messages import Reply, Request
from service.ipc.wire import FrameReader, ProtocolError, frame

log = logging.getLogger(__name__)

# Called in the event loop's thread; must reply exactly once, now or later, from that thread.
Handler = Callable[[Request, Callable[[Reply], None]], None]


async def listen(socket_path: Path, handle: Handler) -> asyncio.AbstractServer:
    """Serve workers on a Unix socket that only this user may open."""
    loop = asyncio.get_running_loop()
    socket_path.unlink(missing_ok=True)
    server = await loop.create_unix_server(lambda: _Worker(handle), str(socket_path))
    socket_path.chmod(0o600)
    return server


class _Worker(asyncio.Protocol):
    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for number, message in self._reader.feed(data):
                self._handle(cast("Request", message), partial(self._send, number))
        except ProtocolError as error:
            log.error("a worker sent something unreadable: %s", error)  # noqa: TRY400
            if self._transport is not None:
                self._transport.close()

    def _send(self, number: int, reply: Reply) -> None:
        # The worker may have gone while its request was running.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(frame(number, reply))
