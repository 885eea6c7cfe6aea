"""The Flask application: dialects, errors and the metrics around them."""

from __future__ import annotations

from flask import Flask, request

from service.errors import PayloadTooLarge
from service.settings import Settings
from service.web.access import guard
from service.web.admin import administration
from service.web.compression import register_compression
from service.web.console import console
from service.web.deadline import register_deadlines
from service.web.engine import Engine
from service.web.errors import register_errors
from service.web.images import ImageReader
from service.web.observation import ObservedFlask, observe_requests
from service.web.openapi import description
from service.web.operations import operations
from service.web.simple import simple_dialect
from service.web.uploads import InMemoryRequest
from service.web.v1 import v1_dialect
from service.web.v2 import v2_dialect


def create_app(settings: Settings, engine: Engine) -> Flask:
    """Return the application for one worker; nothing global is touched."""
    app = ObservedFlask(__name__, static_folder=None)
    app.request_class = InMemoryRequest
    observe_requests(app, access_log=settings.access_log)
    images = ImageReader(engine, max_pixels=settings.max_pixels, max_images=settings.max_images)
    app.register_blueprint(simple_dialect(engine, images))
    app.register_blueprint(v1_dialect(engine, images, settings.model))
    app.register_blueprint(v2_dialect(engine, images, settings.model))
    app.register_blueprint(operations(engine))
    app.register_blueprint(description(settings.model))
    app.register_blueprint(administration(engine))
    app.register_blueprint(console(engine))
    register_errors(app)

    @app.before_request
    def check_size() -> None:
        if request.environ.get("hotshelf.body_too_large"):
            raise PayloadTooLarge(f"the body is larger than {settings.max_body_mb} MB")

    guard(app, settings)
    register_deadlines(app, timeout_s=settings.timeout_s)
    register_compression(app, engine, max_body=settings.max_body_mb * 1_000_000)

    return app
