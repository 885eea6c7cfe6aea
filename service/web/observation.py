"""What is noticed about each HTTP request: its id, its time, how it ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, Request, Response, request
from prometheus_client import Counter, Histogram
from werkzeug.exceptions import HTTPException

from service import metrics
from service.correlation import Correlation, RequestIds, enter
from service.errors import ServiceError
from service.tracing import Tracing, active, traceparent
from service.web.access import is_inferring
from service.web.answers import VERSION_HEADER
from service.web.lean import LeanFlask

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ID_HEADER = "X-Request-Id"
TRACE_HEADERS = ("traceparent", "tracestate")

# The dialects in which predictions are asked for.
PREDICTING = frozenset({"simple", "v1", "v2"})
# No answer was sent: its client had left. As nginx counts it.
CLIENT_LEFT = 499

_WATCHED = "hotshelf.watched"

access = logging.getLogger("hotshelf.access")


class ObservedFlask(LeanFlask):
    """A Flask application that counts errors by what was wrong, however a dialect renders them.

    `given_up` is called for a request whose client has left before the answer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.given_up: Callable[[], None] = _do_nothing

    def full_dispatch_request(self) -> Response:
        """Return the answer to the current request, unless nobody waits for it any more."""
        try:
            return super().full_dispatch_request()
        except asyncio.CancelledError:
            self.given_up()
            raise

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


class _Ended(NamedTuple):
    """How a request ended."""

    status: int
    dialect: str
    version: str
    took_s: float
    bytes_out: int


def observe_requests(app: ObservedFlask, *, access_log: bool) -> None:
    """Have every request get an id, be counted and, where that is wanted, logged in one line."""
    ids = RequestIds()
    dialect = cache(partial(_dialect, app))

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

    def note(asked: Request, status: int, version: str = "", bytes_out: int = 0) -> _Watched:
        watched: _Watched = asked.environ[_WATCHED]
        took_s = time.perf_counter() - watched.started_s
        ended = _Ended(status, dialect(asked.endpoint), version, took_s, bytes_out)
        _requests(ended.dialect, status, version).inc()
        _request_seconds(ended.dialect).observe(took_s)
        if watched.span is not None:
            _end_span(watched.span, watched.request_id, ended)
        if access_log:
            _log(ended)
        return watched

    @app.after_request
    def end(response: Response) -> Response:
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        version = response.headers.get(VERSION_HEADER, "")
        bytes_out = (response.content_length or 0) if access_log else 0
        watched = note(asked, response.status_code, version, bytes_out)
        response.headers[ID_HEADER] = watched.request_id
        return response

    def given_up() -> None:
        note(request._get_current_object(), CLIENT_LEFT)  # type: ignore[attr-defined]

    app.given_up = given_up


def _do_nothing() -> None:
    pass


def _dialect(app: Flask, endpoint: str | None) -> str:
    """Return the name of the blueprint that an endpoint belongs to, if predictions are its matter.

    Whatever else is asked in a dialect of predictions counts as `metadata`.
    """
    name = (endpoint or "").rpartition(".")[0] or "none"
    if name in PREDICTING and not is_inferring(app.view_functions.get(endpoint or "")):
        return "metadata"
    return name


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


def _end_span(span: Span, request_id: str, ended: _Ended) -> None:
    # Names as OpenTelemetry's conventions for HTTP have them.
    span.set_attributes(
        {
            "http.request.method": request.method,
            "http.route": str(request.url_rule or ""),
            "url.path": request.path,
            "http.response.status_code": ended.status,
            "hotshelf.dialect": ended.dialect,
            "hotshelf.version": ended.version,
            "hotshelf.request_id": request_id,
        }
    )
    span.end()


def _log(ended: _Ended) -> None:
    """Write the request's line: of its address only the path, since queries may hold secrets."""
    facts = {
        "method": request.method,
        "path": request.path,
        "status": ended.status,
        "dialect": ended.dialect,
        "version": ended.version,
        "duration_ms": round(1000 * ended.took_s, 2),
        "bytes_in": request.content_length or 0,
        "bytes_out": ended.bytes_out,
        "client": request.remote_addr or "",
    }
    access.info(
        "%s %s %d in %.1f ms", request.method, request.path, ended.status, 1000 * ended.took_s,
        extra={"facts": facts},
    )  # fmt: skip
