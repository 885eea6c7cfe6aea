"""Every error becomes JSON: `{"error": "what was wrong"}` with the status that fits."""

from __future__ import annotations

import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service.errors import NotNow, ServiceError, Unauthorized
from service.web.answers import json_response

log = logging.getLogger(__name__)


def register_errors(app: Flask) -> None:
    """Have the application answer each kind of error in the service's own shape."""
    app.register_error_handler(ServiceError, _service_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _surprise)


def _service_error(error: ServiceError) -> Response:
    response = json_response({"error": str(error)}, status=error.status)
    if isinstance(error, NotNow):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="hotshelf"'
    return response


def _http_error(error: HTTPException) -> Response:
    """Turn Flask's own errors (no such path, wrong verb) into ours; their headers stay."""
    response = json_response({"error": error.description or error.name}, status=error.code or 500)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _surprise(error: Exception) -> Response:
    log.error("a request failed unexpectedly", exc_info=error)
    return json_response({"error": "internal error; the service's log says more"}, status=500)
