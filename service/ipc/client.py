"""The worker's end: one connection to the engine, any number of requests under way."""

from __future__ import annotations

import asyncio
import itertools
import logging
from pathlib import Path
from typing import cast

from service.errors import DeadlineExceeded, EngineUnavailable, ServiceError
from service.ipc.messages import Administer, Failure, Infer, Reply, Request
from service.ipc.wire import FrameReader, ProtocolError, frame

RECONNECT_S = 0.1

# The engine answers expired requests itself; this is for an engine that answers nothing any more.
GRACE_S = 1.0
QUICK_ANSWER_S = 5.0
# Changing a catalog may take several tries, each of them a request to a distant store.
CHANGE_S = 90.0

log = logging.getLogger(__name__)


class EngineClient:
    """Sends requests to the engine and hands out futures of their replies.

    Belongs to one event loop. `run()` keeps the connection up until it is cancelled; while there is
    none, requests fail at once with EngineUnavailable.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._connection: _Connection | None = None

    async def run(self) -> None:
        """Connect, and connect again whenever the engine goes away."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_unix_connection(
                    lambda: _Connection(loop), str(self._path)
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            log.info("connected to the engine")
            self._connection = connection
            try:
                await connection.closed
            finally:
                self._connection = None
                connection.close()
            log.warning("lost the engine; connecting again")

    def request(self, message: Request) -> asyncio.Future[Reply]:
        """Send a request; the future holds the reply or raises the ServiceError it came back as."""
        if self._connection is None:
            raise EngineUnavailable("the inference engine is starting; try again in a moment")
        return self._connection.request(message)


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = FrameReader()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Reply], asyncio.TimerHandle]] = {}
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def request(self, message: Request) -> asyncio.Future[Reply]:
        number = next(self._numbers) & 0xFFFFFFFF
        reply: asyncio.Future[Reply] = self._loop.create_future()
        timer = self._loop.call_at(self._expiry(message), self._expire, number)
        self._waiting[number] = reply, timer
        if self._transport is None or self._transport.is_closing():
            self._settle(number, EngineUnavailable("the inference engine went away"))
        else:
            self._transport.writelines(frame(number, message))
        return reply

    def data_received(self, data: bytes) -> None:
        try:
            for number, message in self._reader.feed(data):
                if isinstance(message, Failure):
                    self._settle(number, message.error())
                else:
                    self._settle(number, cast("Reply", message))
        except ProtocolError as error:
            log.error("the engine sent something unreadable: %s", error)  # noqa: TRY400
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        for number in list(self._waiting):
            self._settle(number, EngineUnavailable("the inference engine stopped unexpectedly"))
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _expiry(self, message: Request) -> float:
        if isinstance(message, Infer):
            return message.deadline + GRACE_S
        return self._loop.time() + (CHANGE_S if isinstance(message, Administer) else QUICK_ANSWER_S)

    def _expire(self, number: int) -> None:
        self._settle(number, DeadlineExceeded("the engine gave no answer in time"))

    def _settle(self, number: int, outcome: Reply | ServiceError) -> None:
        # A reply may come for a request that has expired or whose caller is gone.
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        reply, timer = waiting
        timer.cancel()
        if reply.done():
            return
        if isinstance(outcome, ServiceError):
            reply.set_exception(outcome)
        else:
            reply.set_result(outcome)
