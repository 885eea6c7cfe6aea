"""The gunicorn worker that serves a WSGI application from an event loop.

gunicorn's main process stays what it is: it binds the port, keeps the workers alive, hands signals
on. The worker brings its own way from socket to view (`connection.py`, `bridge.py`), which costs a
fraction of gunicorn's own workers: no thread and no task per request, no detour over ASGI.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gunicorn.workers.base import Worker

from service.lifecycle import allow_open_files, keep_what_is_loaded
from service.web.bridge import RequestRunner, WsgiApp
from service.web.connection import Connection
from service.web.limits import HttpLimits

if TYPE_CHECKING:
    from service.web.wsgi import Service

log = logging.getLogger(__name__)

TICK_S = 0.5
BACKLOG = 2048
# What a worker has open besides its clients: logs, counters, the engine, libraries.
OTHER_FILES = 100


class LoopHouse:
    """The connections of one worker, and the bounds that hold for all of them."""

    def __init__(self, app: WsgiApp, limits: HttpLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.runner = RequestRunner(app)
        self.limits = limits
        self.loop = loop
        self.connections: set[Connection] = set()
        self.stopping = False
        self.held = 0

    def end_overdue(self) -> None:
        """End connections whose clients take too long."""
        now = self.loop.time()
        for each in [each for each in self.connections if each.due < now]:
            each.overdue()

    def stop(self) -> None:
        """Take nothing further; what has begun may finish."""
        self.stopping = True
        for each in list(self.connections):
            each.stop()


class GreenletWorker(Worker):
    """Runs the application of `service.web.wsgi` in one event loop."""

    def init_signals(self) -> None:
        """Leave signals to the event loop, but for the defaults until it runs."""
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def run(self) -> None:
        """Serve until told to stop."""
        keep_what_is_loaded()
        with asyncio.Runner() as runner:
            runner.run(self._serve(self.wsgi))

    async def _serve(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        stop = self._stop_signals(loop)
        house = LoopHouse(service, _affordable(service.http_limits), loop)
        connecting = asyncio.create_task(service.stay_connected())
        servers = [
            await loop.create_server(lambda: Connection(house), sock=listener.sock, backlog=BACKLOG)
            for listener in self.sockets
        ]
        while not stop.is_set() and self.ppid == os.getppid():
            await self._tick(house, stop)
        await self._drain(service, house, servers)
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connecting

    async def _drain(
        self, service: Service, house: LoopHouse, servers: list[asyncio.Server]
    ) -> None:
        """Stop being ready, then listening, then serving."""
        loop = asyncio.get_running_loop()
        service.stop()
        closes = loop.time() + service.drain_s
        while loop.time() < closes:
            await self._tick(house, None)
        for each in servers:
            each.close()
        house.stop()
        ends = loop.time() + service.shutdown_s
        while house.connections and loop.time() < ends:
            await self._tick(house, None)
        if house.connections:
            log.warning("%d connections didn't end in time", len(house.connections))

    async def _tick(self, house: LoopHouse, stop: asyncio.Event | None) -> None:
        """Show that the worker lives, look after slow clients, wait a moment."""
        self.notify()
        house.end_overdue()
        if stop is None:
            await asyncio.sleep(TICK_S / 10)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)

    def _stop_signals(self, loop: asyncio.AbstractEventLoop) -> asyncio.Event:
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for each in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(each, _leave_at_once)
        loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        return stop


def _affordable(limits: HttpLimits) -> HttpLimits:
    """Return the limits, with no more connections than the system lets this process have."""
    files = allow_open_files(limits.connections + OTHER_FILES)
    return replace(limits, connections=min(limits.connections, files - OTHER_FILES))


def _leave_at_once() -> Any:
    raise SystemExit(0)
