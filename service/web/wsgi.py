"""The application that gunicorn's workers load: `service.web.wsgi:create_service()`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from service.ipc.client import EngineClient
from service.lifecycle import keep_heaps_small, socket_path
from service.settings import Settings
from service.web.app import create_app
from service.web.bridge import Environ
from service.web.engine import RemoteEngine
from service.web.limits import HttpLimits


class Service:
    """One worker's application: Flask's views, and the engine's connection that they need."""

    def __init__(self, settings: Settings) -> None:
        body = settings.max_body_mb * 1_000_000
        # However large a body may be, there has to be room for more than one.
        self.http_limits = HttpLimits(body, all_bodies=max(HttpLimits.all_bodies, 2 * body))
        self.drain_s = settings.drain_s
        self.shutdown_s = settings.shutdown_s
        self._client = EngineClient(socket_path(Path(settings.run_dir)))
        self._engine = RemoteEngine(
            self._client, timeout_s=settings.timeout_s, queue_images=settings.queue_images
        )
        self._app = create_app(settings, self._engine).wsgi_app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        return self._app(environ, start_response)

    async def stay_connected(self) -> None:
        """Keep the engine's connection up until cancelled."""
        await self._client.run()

    def stop(self) -> None:
        """Say from now on that the service isn't ready; requests are still answered."""
        self._engine.stop()


def create_service() -> Service:
    """Build the application from the environment."""
    keep_heaps_small()
    return Service(Settings.from_environment(os.environ))
