from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.serving.forms import Form
from benchmarks.serving.load import Bodies, write_bodies
from benchmarks.serving.python_load import LoadFailed, post_from_processes

SECONDS = 0.5


class Server(ThreadingHTTPServer):
    """Counts what it is asked, by path, header and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, bytes]] = []
        self.clients: set[tuple[str, int]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["X-Kind"], body))
        self.server.clients.add(self.client_address)
        if self.path == "/cut":
            self.close_connection = True
            return
        self.send_response(500 if body == b"bad" else 200)
        answer = b"x" * 100_000
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def bodies(folder: Path, path: str, *payloads: bytes) -> Bodies:
    return write_bodies(folder / "bodies", [*payloads], Form(path, {"X-Kind": "test"}))


def test_every_answer_is_counted_and_every_connection_used(server: Server, tmp_path: Path) -> None:
    sent = bodies(tmp_path, "/predict", b"one", b"two")
    load = post_from_processes(server.url, sent, connections=5, seconds=SECONDS, processes=2)
    seen = load.measured
    # What was under way at the end has been asked for, but not counted.
    assert len(server.asked) - 5 <= seen.requests <= len(server.asked)
    assert {body for _, _, body in server.asked} == {b"one", b"two"}
    assert {(path, kind) for path, kind, _ in server.asked} == {("/predict", "test")}
    assert len(server.clients) == 5
    assert seen.rate == pytest.approx(seen.requests / SECONDS, abs=0.1)
    assert 0 < seen.p50_ms <= seen.p90_ms <= seen.p99_ms
    assert seen.errors == 0
    assert 0 < load.busy <= 1


def test_errors_are_counted(server: Server, tmp_path: Path) -> None:
    sent = bodies(tmp_path, "/predict", b"bad")
    load = post_from_processes(server.url, sent, connections=1, seconds=SECONDS, processes=4)
    assert load.measured.errors == load.measured.requests > 0


def test_a_connection_that_breaks_ends_the_measurement(server: Server, tmp_path: Path) -> None:
    sent = bodies(tmp_path, "/cut", b"one")
    with pytest.raises(LoadFailed, match="closed a connection"):
        post_from_processes(server.url, sent, connections=1, seconds=SECONDS, processes=1)
