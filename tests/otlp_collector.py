"""An OpenTelemetry collector that keeps what it is sent, on a loopback port of its own."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class OtlpCollector(ThreadingHTTPServer):
    """Takes traces as protobuf over HTTP."""

    def __init__(self) -> None:
        self._received: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, body: bytes) -> None:
        self._received.append(ExportTraceServiceRequest.FromString(body))

    def spans(self) -> list[Any]:
        return [
            span for each in self._resources() for scope in each.scope_spans for span in scope.spans
        ]

    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for each in self._resources()
            for attribute in each.resource.attributes
            if attribute.key == "service.name"
        }

    def _resources(self) -> list[Any]:
        return [each for sent in list(self._received) for each in sent.resource_spans]


class _Handler(BaseHTTPRequestHandler):
    server: OtlpCollector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        zipped = self.headers.get("Content-Encoding") == "gzip"
        self.server.take(gzip.decompress(body) if zipped else body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        return


@contextlib.contextmanager
def otlp_collector() -> Iterator[OtlpCollector]:
    collector = OtlpCollector()
    thread = threading.Thread(target=collector.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
