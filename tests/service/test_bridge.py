"""Flask in greenlets on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest
from flask import Flask, request

from service.web.bridge import WsgiOnAsgi, wait_for

LIMIT = 1000


class Caller:
    """An ASGI server's side of one request."""

    def __init__(
        self, body: list[bytes], *, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        self.body = body
        self.headers = headers or []
        self.received = 0
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if self.received == len(self.body):
            return {"type": "http.disconnect"}
        chunk = self.body[self.received]
        self.received += 1
        more = self.received < len(self.body)
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def scope(self, path: str = "/") -> dict[str, Any]:
        return {
            "type": "http", "method": "POST", "path": path, "query_string": b"a=%2F+b",
            "http_version": "1.1", "scheme": "http", "server": ("host", 80), "client": ("peer", 1),
            "headers": self.headers,
        }  # fmt: skip

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def answer(self) -> bytes:
        body: bytes = self.sent[1]["body"]
        return body


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def serve(app: Flask, *callers: Caller, path: str = "/") -> None:
    async def all_at_once() -> None:
        asgi = WsgiOnAsgi(app.wsgi_app, max_body=LIMIT)
        await asyncio.gather(*(asgi(each.scope(path), each.receive, each.send) for each in callers))

    asyncio.run(all_at_once())


def echo(app: Flask, seen: Callable[[], str]) -> None:
    app.add_url_rule("/", view_func=seen, methods=["POST"])


def test_a_view_sees_body_query_and_headers(app: Flask) -> None:
    echo(app, lambda: f"{request.get_data()!r} {request.args['a']!r} {request.headers['X-One']}")
    caller = Caller([b"one", b"two"], headers=[(b"x-one", b"1"), (b"x-one", b"2")])
    serve(app, caller)
    assert caller.answer == b"b'onetwo' '/ b' 1,2"


def test_a_path_beyond_ascii_arrives_whole(app: Flask) -> None:
    app.add_url_rule("/<name>", view_func=lambda name: name, methods=["POST"])
    caller = Caller([b""])
    serve(app, caller, path="/größe")
    assert caller.answer == "größe".encode()


def test_views_wait_without_holding_each_other_up(app: Flask) -> None:
    """Two requests that each wait for the other one to have started can only both finish so."""
    gate: dict[bytes, asyncio.Event] = {b"a": asyncio.Event(), b"b": asyncio.Event()}
    other = {b"a": b"b", b"b": b"a"}

    def view() -> str:
        name = request.get_data()
        gate[name].set()
        wait_for(asyncio.wait_for(gate[other[name]].wait(), 5))
        assert request.get_data() == name, "each request keeps its own context"
        return name.decode()

    echo(app, view)
    first, second = Caller([b"a"]), Caller([b"b"])
    serve(app, first, second)
    assert (first.answer, second.answer) == (b"a", b"b")


def test_what_was_waited_for_raises_inside_the_view(app: Flask) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    def view() -> str:
        with pytest.raises(LookupError, match="gone"):
            wait_for(fail())
        return "caught"

    echo(app, view)
    caller = Caller([b""])
    serve(app, caller)
    assert caller.answer == b"caught"


def test_waiting_outside_a_request_is_an_error_not_a_hang() -> None:
    class Nothing:
        def __await__(self) -> Generator[None]:
            yield

    with pytest.raises(RuntimeError, match="outside a request"):
        wait_for(Nothing())


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param([b"x" * 400] * 5, [], id="streamed"),
        pytest.param([b"x" * 400] * 5, [(b"content-length", b"2000")], id="announced"),
    ],
)
def test_a_body_over_the_limit_is_told_to_the_app_and_read_to_its_end(
    app: Flask, body: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    echo(app, lambda: f"{request.environ['hotshelf.body_too_large']} {request.get_data()!r}")
    caller = Caller(body, headers=headers)
    serve(app, caller)
    assert caller.answer == b"True b''"
    assert caller.received == len(body), "so that the client can finish sending and read the answer"
    assert (b"connection", b"close") in caller.sent[0]["headers"]


def test_a_body_at_the_limit_is_taken(app: Flask) -> None:
    echo(app, lambda: f"{request.environ['hotshelf.body_too_large']} {len(request.get_data())}")
    caller = Caller([b"x" * LIMIT])
    serve(app, caller)
    assert caller.answer == f"False {LIMIT}".encode()


def test_a_client_that_leaves_halfway_never_reaches_a_view(app: Flask) -> None:
    calls: list[str] = []

    def view() -> str:
        calls.append("called")
        return ""

    echo(app, view)
    caller = Caller([b"half"])

    async def receive() -> dict[str, Any]:
        if caller.received:
            return {"type": "http.disconnect"}
        caller.received += 1
        return {"type": "http.request", "body": b"half", "more_body": True}

    caller.receive = receive  # type: ignore[method-assign]
    serve(app, caller)
    assert calls == []
    assert caller.sent == []
