"""What is noticed about each HTTP request: its id, its time, how it ended."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, request
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

_WATCHED = "hotshelf.watched"

access = logging.getLogger("hotshelf.access")


class ObservedFlask(LeanFlask):
    """A Flask application that counts errors by what was wrong, however a dialect renders them."""

    def handle_user_exception(self, e: Exception) -> Any:
        """Count the error and have it answered."""
        metrics.REJECTIONS.labels(_reason(e)).inc()
        return super().handle_user_exception(e)


@dataclass(slots=True)
class _Watched:
    """What is known of a request from its beginning; `span` where it is traced."""

    request_id: str
    started_s: float
    span: Span | None = None


def observe_requests(app: Flask, *, access_log: bool) -> None:
    """Have every request get an id, be counted and, where that is wanted, logged in one line."""
    ids = RequestIds()

    # Flask's proxies cost more than what is noticed here, so each hook uses one once.
    @app.before_request
    def begin() -> None:
        environ = request.environ
        request_id = ids.choose(environ.get("HTTP_X_REQUEST_ID"))
        watched = environ[_WATCHED] = _Watched(request_id, time.perf_counter())
        tracing = active()
        if tracing is None:
            enter(Correlation(request_id))
        else:
            watched.span = _begin_span(tracing)
            enter(Correlation(request_id, traceparent(watched.span)))

    @app.after_request
    def end(response: Response) -> Response:
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        watched: _Watched = asked.environ[_WATCHED]
        took_s = time.perf_counter() - watched.started_s
        dialect = _dialect(asked.endpoint)
        version = response.headers.get(VERSION_HEADER, "")
        response.headers[ID_HEADER] = watched.request_id
        _requests(dialect, response.status_code, version).inc()
        _request_seconds(dialect).observe(took_s)
        if watched.span is not None:
            _end_span(watched.span, watched.request_id, response, dialect, version)
        if access_log:
            _log(response, dialect, version, took_s)
        return response


@cache
def _dialect(endpoint: str | None) -> str:
    """Return the name of the blueprint that an endpoint belongs to."""
    return (endpoint or "").rpartition(".")[0] or "none"


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


def _begin_span(tracing: Tracing) -> Span:
    sent = {name: request.headers[name] for name in TRACE_HEADERS if name in request.headers}
    return tracing.begin(f"{request.method} {request.url_rule or ''}".strip(), sent)


def _end_span(span: Span, request_id: str, response: Response, dialect: str, version: str) -> None:
    # Names as OpenTelemetry's conventions for HTTP have them.
    span.set_attributes(
        {
            "http.request.method": request.method,
            "http.route": str(request.url_rule or ""),
            "url.path": request.path,
            "http.response.status_code": response.status_code,
            "hotshelf.dialect": dialect,
            "hotshelf.version": version,
            "hotshelf.request_id": request_id,
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
