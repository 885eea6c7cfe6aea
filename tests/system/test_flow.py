"""Clients that are slow, silent or gone, and a service that stops in good order."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from model_store import ModelStore, open_store
from tests.eventually import eventually
from tests.system.running import STOP_S, Crowd, Service, publish, service

pytestmark = pytest.mark.system

DRAIN_S = 3
SILENT_CLIENTS = 600


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("flow")
    store = open_store(f"file://{folder / 'shelf'}")
    publish(store, folder / "1", favours=1)
    with service(store.url, folder / "run") as started:
        yield started


def connect(running: Service) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_hundreds_of_clients_that_say_nothing_hold_nobody_up(running: Service) -> None:
    with ExitStack() as clients:
        for _ in range(SILENT_CLIENTS):
            client = clients.enter_context(connect(running))
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        with Crowd(running.url, clients=4) as crowd:
            crowd.wait_for_answers(50)
        assert crowd.failures == []


@pytest.mark.timed
def test_a_client_that_never_ends_its_head_is_sent_away(running: Service) -> None:
    with connect(running) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHo")
        began = time.monotonic()
        assert read_all(client).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 15


def test_clients_that_leave_before_their_answer_do_no_harm(running: Service) -> None:
    for _ in range(100):
        with connect(running) as client:
            client.sendall(
                b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
                b"abcGET / HTTP/1.1\r\n"
            )
    assert running.predict().ok
    assert "Traceback" not in running.said()


def test_a_flood_of_head_fields_is_refused(running: Service) -> None:
    with connect(running) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Flood: 1\r\n" * 200 + b"\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 431")


def test_a_request_out_of_time_is_told_so(running: Service) -> None:
    answer = running.predict(headers={"Request-Timeout": "0.000001"})
    assert answer.status_code == 504
    assert answer.headers["Retry-After"]
    assert "in time" in answer.json()["error"]


@pytest.mark.timed
def test_stopping_says_not_ready_first_and_answers_until_the_port_closes(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    run = tmp_path / "run"
    with service(local_store.url, run, HOTSHELF_DRAIN_S=str(DRAIN_S)) as running:
        with Crowd(running.url, clients=4) as crowd:
            crowd.wait_for_answers(20)
            running.process.terminate()
            eventually(lambda: not running.is_ready(), within_s=2, what="it isn't ready any more")
            crowd.wait_for_answers(20)
            assert running.process.wait(DRAIN_S + STOP_S) == 0
        assert all("ConnectionError" in each for each in crowd.failures), crowd.failures
    assert {status for status, _ in crowd.answers} == {200}
