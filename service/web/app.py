"""The Flask application: dialects, errors and the metrics around them."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from service import metrics
from service.errors import PayloadTooLarge
from service.settings import Settings
from service.web.answers import VERSION_HEADER
from service.web.engine import Engine
from service.web.errors import register_errors
from service.web.images import ImageReader
from service.web.operations import operations
from service.web.simple import simple_dialect
from service.web.v1 import v1_dialect


def create_app(settings: Settings, engine: Engine) -> Flask:
    """Return the application for one worker; nothing global is touched."""
    app = Flask(__name__, static_folder=None)
    images = ImageReader(engine, max_pixels=settings.max_pixels, max_images=settings.max_images)
    app.register_blueprint(simple_dialect(engine, images))
    app.register_blueprint(v1_dialect(engine, images, settings.model))
    app.register_blueprint(operations(engine))
    register_errors(app)

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        if request.environ.get("hotshelf.body_too_large"):
            raise PayloadTooLarge(f"the body is larger than {settings.max_body_mb} MB")

    @app.after_request
    def count(response: Response) -> Response:
        dialect = request.blueprint or "none"
        version = response.headers.get(VERSION_HEADER, "")
        metrics.REQUESTS.labels(dialect, str(response.status_code), version).inc()
        metrics.REQUEST_SECONDS.labels(dialect).observe(time.perf_counter() - g.started)
        return response

    return app
