"""OpenTelemetry traces of requests: worker, decoding, queue, inference.

Only where an OTLP endpoint is named in OpenTelemetry's own variables and its packages are there
(the extra `tracing`). Without, nothing is imported and `active()` is None.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from service.correlation import Correlation

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE_NAME = "hotshelf"

Attribute = str | int | float


class Tracing:
    """Makes spans with one provider; exporting them is the provider's business."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("hotshelf")
        self._context = TraceContextTextMapPropagator().extract
        self._server = SpanKind.SERVER

    def begin(self, name: str, headers: Mapping[str, str]) -> Span:
        """Begin the span of a request, below the caller's one if `headers` tell of it (W3C)."""
        return self._tracer.start_span(name, self._context(headers), kind=self._server)

    def record(
        self,
        parent: str,
        name: str,
        started_s: float,
        ended_s: float,
        attributes: Mapping[str, Attribute],
    ) -> None:
        """Make a span of something that is over; `parent` is a traceparent, times monotonic."""
        offset_s = time.time() - time.monotonic()
        span = self._tracer.start_span(
            name,
            self._context({"traceparent": parent}),
            start_time=_nanoseconds(started_s + offset_s),
            attributes=attributes,
        )
        span.end(_nanoseconds(ended_s + offset_s))

    def close(self) -> None:
        """Send what is left; provider and thread end."""
        self._provider.shutdown()


class _Here:
    """The tracing of the process that runs here."""

    tracing: Tracing | None = None


def active() -> Tracing | None:
    """Return this process's tracing; None where it isn't set up."""
    return _Here.tracing


def use(tracing: Tracing | None) -> None:
    """Trace with this from here on."""
    _Here.tracing = tracing


def set_up_tracing(environment: Mapping[str, str]) -> None:
    """Trace if an endpoint is configured; without OpenTelemetry's packages, say what is missing."""
    if not any(environment.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME as NAME
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning(
            "an endpoint for traces is set, but not all of OpenTelemetry is installed (%s):"
            " install hotshelf[tracing]; going on without traces",
            error,
        )
        return
    # What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) comes before our name.
    resource = Resource({NAME: SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(Tracing(provider))


def traceparent(span: Span) -> str:
    """Return how other processes refer to a span; "" for one that isn't sampled."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def record(
    correlation: Correlation, name: str, started_s: float, ended_s: float, **attributes: Attribute
) -> None:
    """Make a span of a traced request's part that is over; times are monotonic."""
    if _Here.tracing is not None and correlation.traceparent:
        _Here.tracing.record(correlation.traceparent, name, started_s, ended_s, attributes)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
