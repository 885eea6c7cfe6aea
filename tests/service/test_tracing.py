from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from service.correlation import Correlation
from service.tracing import Tracing, active, record, set_up_tracing, use
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


class Collector(HTTPServer):
    """An OTLP collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        return


def test_spans_reach_the_collector_that_is_configured(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient, png: bytes
) -> None:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    try:
        set_up_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "from the environment"})
        client.post("/predict", data=png)
        tracing = active()
        assert tracing is not None
        tracing.close()
    finally:
        use(None)
        collector.shutdown()
        thread.join()
        collector.server_close()
    resources = [each for sent in collector.received for each in sent.resource_spans]
    named = [each.value.string_value for each in resources[0].resource.attributes]
    assert "hotshelf" in named
    names = {span.name for each in resources for scope in each.scope_spans for span in scope.spans}
    assert names == {"POST /predict", "decode"}
