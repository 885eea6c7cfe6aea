"""The worker's end: one connection to the engine, any number of requests under way."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from service.errors import DeadlineExceeded, EngineUnavailable, ServiceError
from service.ipc.messages import Administer, Cancel, Failure, Infer, Reply, Request
from service.ipc.wire import FrameReader, Outbox, ProtocolError

RECONNECT_S = 0.1

# The engine answers expired requests itself; this is for an engine that answers nothing any more.
GRACE_S = 1.0
# What needs no run is answered in milliseconds; readiness has to tell the truth within 2 s.
QUICK_ANSWER_S = 1.5
# Changing a catalog may take several tries, each of them a request to a distant store.
CHANGE_S = 90.0
# How often requests without an answer are looked at; a timer for each would cost more.
SWEEP_S = 0.1

log = logging.getLogger(__name__)


class EngineClient:
    """Sends requests to the engine and hands out futures of their replies.

    Belongs to one event loop. `run()` keeps the connection up until it is cancelled; while there is
    none, requests fail at once with EngineUnavailable.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._connection: _Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether the engine can be asked."""
        return self._connection is not None

    def close(self) -> None:
        """Close the connection; `run` makes another."""
        if self._connection is not None:
            self._connection.close()

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


class _Answer(asyncio.Future[Reply]):
    """The answer to one request; cancelling it tells the engine that nobody waits any more."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expires: float, abandon: Callable[[], None]
    ) -> None:
        super().__init__(loop=loop)
        self.expires = expires
        self._abandon = abandon

    def cancel(self, msg: object = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled:
            self._abandon()
        return cancelled


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = FrameReader()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Answer] = {}
        self._outbox: Outbox | None = None
        self._sweeping = loop.call_later(SWEEP_S, self._sweep)
        self.closed: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._outbox = Outbox(self._loop, cast("asyncio.Transport", transport))

    def request(self, message: Request) -> asyncio.Future[Reply]:
        number = next(self._numbers) & 0xFFFFFFFF
        answer = _Answer(self._loop, self._expiry(message), partial(self._abandon, number))
        self._waiting[number] = answer
        if self._outbox is None or self._outbox.closed:
            self._settle(number, EngineUnavailable("the inference engine went away"))
        else:
            self._outbox.send(number, message)
        return answer

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
        self._sweeping.cancel()
        for number in list(self._waiting):
            self._settle(number, EngineUnavailable("the inference engine stopped unexpectedly"))
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def _expiry(self, message: Request) -> float:
        if isinstance(message, Infer):
            return message.deadline + GRACE_S
        return self._loop.time() + (CHANGE_S if isinstance(message, Administer) else QUICK_ANSWER_S)

    def _sweep(self) -> None:
        now = self._loop.time()
        for number in [n for n, each in self._waiting.items() if each.expires < now]:
            self._settle(number, DeadlineExceeded("the engine gave no answer in time"))
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def _abandon(self, number: int) -> None:
        if self._waiting.pop(number, None) is not None and self._outbox is not None:
            self._outbox.send(number, Cancel())

    def _settle(self, number: int, outcome: Reply | ServiceError) -> None:
        # A reply may come for a request that has expired or whose caller is gone.
        answer = self._waiting.pop(number, None)
        if answer is None or answer.done():
            return
        if isinstance(outcome, ServiceError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
