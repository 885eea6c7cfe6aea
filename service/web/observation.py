"""What is noticed about each HTTP request: its id, its time, how it ended."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram
from werkzeug.exceptions import HTTPException

from service import metrics
from service.correlation import Correlation, RequestIds, enter
from service.errors import ServiceError
from service.tracing import Tracing, active, traceparent
from service.web.answers import VERSION_HEADER
from service.web.lean import LeanFlask

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ID_HEADER = "X-Request-Id"
TRACE_HEADERS = ("traceparent", "tracestate")

access = logging.getLogger("hotshelf.access")


class ObservedFlask(LeanFlask):
    """A Flask application that counts errors by what was wrong, however a dialect renders them."""

    def handle_user_exception(self, e: Exception) -> Any:
        """Count the error and have it answered."""
        metrics.REJECTIONS.labels(_reason(e)).inc()
        return super().handle_user_exception(e)


def observe_requests(app: Flask, *, access_log: bool) -> None:
    """Have every request get an id, be counted and, where that is wanted, logged in one line."""
    ids = RequestIds()

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()
        g.request_id = ids.choose(request.environ.get("HTTP_X_REQUEST_ID"))
        tracing = active()
        enter(Correlation(g.request_id, "" if tracing is None else _begin_span(tracing)))

    @app.after_request
    def end(response: Response) -> Response:
        took_s = time.perf_counter() - g.started
        dialect = request.blueprint or "none"
        version = response.headers.get(VERSION_HEADER, "")
        response.headers[ID_HEADER] = g.request_id
        _requests(dialect, response.status_code, version).inc()
        _request_seconds(dialect).observe(took_s)
        if "span" in g:
            _end_span(g.span, response, dialect, version)
        if access_log:
            _log(response, dialect, version, took_s)
        return response


# Looking a metric's child up takes longer than adding to it.
@cache
def _requests(dialect: str, status: int, version: str) -> Counter:
    return metrics.REQUESTS.labels(dialect, str(status), version)


@cache
def _request_seconds(dialect: str) -> Histogram:
    return metrics.REQUEST_SECONDS.labels(dialect)


def _reason(error: Exception) -> str:
    """Return what was wrong in one word, out of few."""
    if isinstance(error, ServiceError):
        return error.code
    if isinstance(error, HTTPException):
        return error.name.lower().replace(" ", "_")
    return ServiceError.code


def _begin_span(tracing: Tracing) -> str:
    """Begin the request's span and return its traceparent."""
    sent = {name: request.headers[name] for name in TRACE_HEADERS if name in request.headers}
    g.span = tracing.begin(f"{request.method} {request.url_rule or ''}".strip(), sent)
    return traceparent(g.span)


def _end_span(span: Span, response: Response, dialect: str, version: str) -> None:
    # Names as OpenTelemetry's conventions for HTTP have them.
    span.set_attributes(
        {
            "http.request.method": request.method,
            "http.route": str(request.url_rule or ""),
            "url.path": request.path,
            "http.response.status_code": response.status_code,
            "hotshelf.dialect": dialect,
            "hotshelf.version": version,
            "hotshelf.request_id": g.request_id,
        }
    )
    span.end()


def _log(response: Response, dialect: str, version: str, took_s: float) -> None:
    """Write the request's line: of its address only the path, since queries may hold secrets."""
    facts = {
        "method": request.method,
        "path": request.path,
        "status": response.status_code,
        "dialect": dialect,
        "version": version,
        "duration_ms": round(1000 * took_s, 2),
        "bytes_in": request.content_length or 0,
        "bytes_out": response.content_length or 0,
        "client": request.remote_addr or "",
    }
    access.info(
        "%s %s %d in %.1f ms", request.method, request.path, response.status_code, 1000 * took_s,
        extra={"facts": facts},
    )  # fmt: skip
