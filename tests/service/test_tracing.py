from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from service.correlation import Correlation
from service.tracing import Tracing, active, record, set_up_tracing, use
from tests.otlp_collector import otlp_collector
from tests.service.fakes import FakeEngine

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALLER_NOT_SAMPLED = CALLER[:-1] + "0"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(Tracing(provider))
    yield exporter
    use(None)
    provider.shutdown()


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {each.name: each for each in exporter.get_finished_spans()}


def test_without_an_endpoint_nothing_is_traced() -> None:
    set_up_tracing({})
    assert active() is None


def test_a_request_is_a_span_below_its_callers_with_decoding_below_it(
    exporter: InMemorySpanExporter, client: FlaskClient, png: bytes
) -> None:
    client.post("/predict", data=png, headers={"traceparent": CALLER, "X-Request-Id": "mine"})
    found = spans(exporter)
    request, decode = found["POST /predict"], found["decode"]
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}" == CALLER.split("-")[1]
    assert f"{request.parent.span_id:016x}" == CALLER.split("-")[2]
    assert decode.parent is not None
    assert decode.parent.span_id == request.context.span_id
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["hotshelf.version"] == "3"
    assert request.attributes["hotshelf.request_id"] == "mine"


def test_the_engine_is_told_which_span_waits_for_it(
    exporter: InMemorySpanExporter, client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    client.post("/predict", data=png)
    request = spans(exporter)["POST /predict"]
    assert engine.correlations[-1].traceparent.split("-")[2] == f"{request.context.span_id:016x}"


def test_a_caller_who_does_not_trace_is_not_traced(
    exporter: InMemorySpanExporter, client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    client.post("/predict", data=png, headers={"traceparent": CALLER_NOT_SAMPLED})
    assert not exporter.get_finished_spans()
    assert engine.correlations[-1].traceparent == ""


def test_what_is_not_sampled_costs_the_engine_nothing(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    use(Tracing(TracerProvider(sampler=ALWAYS_OFF)))
    try:
        client.post("/predict", data=png)
    finally:
        use(None)
    assert engine.correlations[-1].traceparent == ""


def test_what_is_over_becomes_a_span_of_the_right_length(exporter: InMemorySpanExporter) -> None:
    record(Correlation("mine", CALLER), "queue", 10.0, 10.25, images=3)
    (span,) = exporter.get_finished_spans()
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == pytest.approx(250_000_000, rel=0.001)
    assert span.attributes == {"images": 3}


def test_spans_reach_the_collector_that_is_configured(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, png: bytes
) -> None:
    with otlp_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        set_up_tracing(os.environ)
        try:
            client.post("/predict", data=png)
            tracing = active()
            assert tracing is not None
            tracing.close()
        finally:
            use(None)
    assert {each.name for each in collector.spans()} == {"POST /predict", "decode"}
    assert collector.services() == {"hotshelf"}
