"""The application that gunicorn's ASGI workers load: `service.web.asgi:create_asgi()`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from service.ipc.client import EngineClient
from service.lifecycle import socket_path
from service.settings import Settings
from service.web.app import create_app
from service.web.bridge import Receive, Scope, Send, WsgiOnAsgi
from service.web.engine import RemoteEngine


class Service:
    """One worker: connects to the engine when it starts, then serves Flask's views."""

    def __init__(self, settings: Settings) -> None:
        self._client = EngineClient(socket_path(Path(settings.run_dir)))
        engine = RemoteEngine(self._client, timeout_s=settings.timeout_s)
        app = create_app(settings, engine)
        self._http = WsgiOnAsgi(app.wsgi_app, max_body=settings.max_body_mb * 1_000_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one event of the ASGI protocol."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Keep the engine's connection up from the worker's start to its end."""
        await receive()
        connection = asyncio.create_task(self._client.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        connection.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connection
        await send({"type": "lifespan.shutdown.complete"})


def create_asgi() -> Service:
    """Build the application from the environment."""
    return Service(Settings.from_environment(os.environ))
