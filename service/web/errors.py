"""Every error becomes JSON: `{"error": "what was wrong"}` with the status that fits."""

from __future__ import annotations

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from service.errors import NotNow, ServiceError, Unauthorized
from service.web.answers import json_response

log = logging.getLogger(__name__)


def register_errors(app: Flask) -> None:
    """Have the application answer each kind of error in the service's own shape."""
    app.register_error_handler(ServiceError, error_response)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _surprise)


def error_response(error: ServiceError, *, status: int | None = None) -> Response:
    """Return an error as JSON; `status` where a dialect has another one for it."""
    response = json_response({"error": str(error)}, status=status or error.status)
    if isinstance(error, NotNow):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _http_error(error: HTTPException) -> Response:
    """Turn Flask's own errors (no such path, wrong verb) into ours; their headers stay."""
    response = json_response({"error": _message(error)}, status=error.code or 500)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _message(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return f"there is no path {request.path!r}; /docs has those that are"
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.method} isn't allowed on {request.path!r}; allowed: {allowed}"
    return error.description or error.name


def _surprise(error: Exception) -> Response:
    log.error("a request failed unexpectedly", exc_info=error)
    return json_response({"error": "internal error; the service's log says more"}, status=500)
