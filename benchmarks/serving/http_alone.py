"""The service's own HTTP worker, with views that don't ask the engine.

`POST /nothing` takes a body and answers as long as a prediction would: what that costs is what HTTP
and Flask cost of a request. `POST /decoded` decodes the body before that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Response, request

from imaging import decode_image
from service.ipc.client import EngineClient
from service.settings import Settings
from service.web.answers import Prediction, json_response
from service.web.app import create_app
from service.web.bridge import Environ
from service.web.engine import RemoteEngine
from service.web.limits import HttpLimits

ANSWER = [Prediction(str(index), 0.123456789, f"n{index:08d}") for index in range(5)]


class HttpAlone:
    """What the worker is given in the service's place; see `service.web.wsgi.Service`."""

    def __init__(self, settings: Settings) -> None:
        self.http_limits = HttpLimits(body=settings.max_body_mb * 1_000_000)
        self.drain_s = settings.drain_s
        self.shutdown_s = settings.shutdown_s
        nobody = EngineClient(Path("no-engine.sock"))
        app = create_app(settings, RemoteEngine(nobody, timeout_s=settings.timeout_s))
        app.add_url_rule("/nothing", view_func=nothing, methods=["POST"])
        app.add_url_rule("/decoded", view_func=decoded, methods=["POST"])
        self._app = app.wsgi_app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        return self._app(environ, start_response)

    async def stay_connected(self) -> None:
        """Connect to nothing until cancelled."""
        await asyncio.Event().wait()

    def stop(self) -> None:
        """Do nothing: there is no readiness to take back."""


def nothing() -> Response:
    """Take a request's body, and answer."""
    request.get_data(cache=False)
    return json_response(ANSWER, version=1)


def decoded() -> Response:
    """Decode an image, and answer."""
    decode_image(request.get_data(cache=False))
    return json_response(ANSWER, version=1)


def create_service() -> HttpAlone:
    """Build the application from the environment."""
    return HttpAlone(Settings.from_environment(os.environ))
