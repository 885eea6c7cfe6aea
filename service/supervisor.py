"""Starts the engine and the HTTP workers, watches them, restarts them, stops all in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_store import StoreError, open_store
from service.ipc.client import EngineClient
from service.ipc.messages import AskStatus
from service.lifecycle import CANNOT_START, metrics_path, socket_path
from service.logs import set_up_logging
from service.settings import PREFIX, Settings
from service.watchdog import until_silent

log = logging.getLogger(__name__)

ENGINE = [sys.executable, "-m", "service.engine.process"]
HTTP = [
    sys.executable, "-m", "gunicorn", "--config", "python:service.gunicorn_conf",
    "service.web.wsgi:create_service()",
]  # fmt: skip

FIRST_RESTART_S = 0.5
LAST_RESTART_S = 30.0
STABLE_S = 60.0
ENGINE_STOP_S = 10.0
# An engine that leaves so many questions unanswered, one about every three seconds, is killed, and
# so is one that says that a run of its model hangs. Workers are killed by gunicorn after as long.
ENGINE_MISSES = 10
ENGINE_PAUSE_S = 1.5
LISTEN_BACKLOG = 2048


class CannotStart(Exception):
    """The service can't start as it was told to; the message says what to change."""


class Supervisor:
    """Runs one service until it is told to stop (SIGTERM, SIGINT).

    The HTTP side gets its listening socket from here: whatever happens to it, the port stays ours,
    and clients that come meanwhile wait instead of being turned away.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, *, ready: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._ready = ready
        self._stopping = asyncio.Event()
        self._http_gone = asyncio.Event()
        self._engine_refused = False

    async def run(self) -> int:
        """Run until stopped.

        Returns 0 after an orderly stop, 1 if the HTTP side ended by itself, CANNOT_START if the
        first engine did with that.
        """
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._stopping.set)
        engine = asyncio.create_task(self._keep_engine())
        announcing = asyncio.create_task(self._announce())
        status = await self._keep_http()
        announcing.cancel()
        # Requests under way need the engine, so it goes last.
        self._http_gone.set()
        await engine
        return CANNOT_START if self._engine_refused else status

    async def _keep_http(self) -> int:
        """Run the HTTP side until stopped; where something kills it, run another.

        One that ends by itself would do so again: that is an error for whoever started us.
        """
        descriptor = self._listener.fileno()
        command = [*HTTP, "--bind", f"fd://{descriptor}"]
        pauses = _Pauses()
        while True:
            http = await self._start(command, pass_fds=(descriptor,))
            pauses.started()
            await _first(http.wait(), self._stopping.wait())
            if self._stopping.is_set():
                # From here on only the workers hold it: it closes with the last of them.
                self._listener.close()
                await _stop(http, within_s=self._settings.drain_s + self._settings.shutdown_s + 5)
                return 0
            if http.returncode is None or http.returncode >= 0:
                log.error("the HTTP side ended (%s); stopping", _how(http.returncode))
                return 1
            await pauses.wait("the HTTP side", http.returncode, until=self._stopping)

    async def _keep_engine(self) -> None:
        """Run the engine; when it dies, run another, after pauses that grow if that goes on.

        If already the first can't start as it was told to, none will. A later one may find what it
        needs again, such as a GPU that comes back.
        """
        first = True
        pauses = _Pauses()
        client = EngineClient(socket_path(Path(self._settings.run_dir)))
        connecting = asyncio.create_task(client.run())
        while not self._http_gone.is_set():
            engine = await self._start(ENGINE)
            pauses.started()
            silence = until_silent(
                lambda: client.request(AskStatus()), misses=ENGINE_MISSES, pause_s=ENGINE_PAUSE_S
            )
            await _first(engine.wait(), self._http_gone.wait(), silence)
            if self._http_gone.is_set():
                await _stop(engine, within_s=ENGINE_STOP_S)
                break
            if engine.returncode is None:
                log.error("the engine hangs: it doesn't say its state any more; killing it")
                engine.kill()
                await engine.wait()
            if first and engine.returncode == CANNOT_START:
                self._engine_refused = True
                self._stopping.set()
                break
            first = False
            await pauses.wait("the engine", engine.returncode, until=self._http_gone)
        connecting.cancel()

    async def _start(
        self, command: list[str], *, pass_fds: tuple[int, ...] = ()
    ) -> asyncio.subprocess.Process:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            **self._settings.environment(),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics_path(Path(self._settings.run_dir))),
        }
        # In a session of their own, so that Ctrl-C reaches only the supervisor, which stops them
        # in order. Should it be killed, the kernel ends them (see `die_with_parent`).
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=pass_fds,
        )

    async def _announce(self) -> None:
        """Call `ready` once a request to this very service says so."""
        url = f"{local_url(self._settings)}/readyz"
        while not await asyncio.to_thread(_answers_ok, url):
            await asyncio.sleep(0.1)
        self._ready()


class _Pauses:
    """How long to wait before the next process of a kind: longer each time, if that goes on."""

    def __init__(self) -> None:
        self._next_s = FIRST_RESTART_S
        self._started = 0.0

    def started(self) -> None:
        """Take note that one was started."""
        self._started = time.monotonic()

    async def wait(self, what: str, returncode: int | None, *, until: asyncio.Event) -> None:
        """Say what ended and wait, but no longer than `until` is set."""
        if time.monotonic() - self._started > STABLE_S:
            self._next_s = FIRST_RESTART_S
        log.error("%s ended (%s); next one in %.1f s", what, _how(returncode), self._next_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), self._next_s)
        self._next_s = min(2 * self._next_s, LAST_RESTART_S)


async def _first(*awaited: Coroutine[Any, Any, object]) -> None:
    """Wait until one of them is done."""
    tasks = [asyncio.create_task(each) for each in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for each in tasks:
        each.cancel()


def local_url(settings: Settings) -> str:
    """Return the URL under which this machine reaches the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def run_service(settings: Settings, *, ready: Callable[[Settings], None]) -> int:
    """Run the service until it is stopped; raises CannotStart for what the caller can mend."""
    set_up_logging("supervisor", settings.log_level, settings.log_format)
    try:
        open_store(settings.store)
    except StoreError as error:
        raise CannotStart(f"{PREFIX}STORE: {error}") from error
    with _listener(settings) as listener, _run_dir(settings) as folder:
        placed = replace(settings, run_dir=str(folder))
        return asyncio.run(Supervisor(placed, listener, ready=lambda: ready(placed)).run())


@contextlib.contextmanager
def _run_dir(settings: Settings) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        if settings.run_dir:
            folder = Path(settings.run_dir).absolute()
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hotshelf-")))
        metrics = metrics_path(folder)
        metrics.mkdir(parents=True, exist_ok=True)
        for stale in metrics.glob("*.db"):
            stale.unlink()
        yield folder


def _listener(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=LISTEN_BACKLOG
        )
    except OSError as error:
        raise CannotStart(
            f"can't listen on {settings.host}:{settings.port}: {error.strerror or error}; "
            f"choose another with {PREFIX}HOST and {PREFIX}PORT"
        ) from error


def _answers_ok(url: str) -> bool:
    # What stands for other hosts in http_proxy is no way to our own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False


async def _stop(process: asyncio.subprocess.Process, *, within_s: float) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        log.warning("process %d didn't stop within %.0f s; killing it", process.pid, within_s)
        process.kill()
        await process.wait()


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"
