"""Flask in greenlets on an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from contextvars import ContextVar

import pytest
from flask import Flask, request
from werkzeug.test import EnvironBuilder

from service.web.bridge import (
    FAILED,
    MOST_IDLE,
    Headers,
    RequestRunner,
    RunningRequest,
    WsgiApp,
    wait_for,
)


class Caller:
    """A connection's side of one request."""

    def __init__(self, body: bytes = b"") -> None:
        self.environ = EnvironBuilder(method="POST", data=body).get_environ()
        self.status = ""
        self.body = b""
        self.done = asyncio.Event()
        self.running = RunningRequest(self.environ, self.answered)

    def answered(self, status: str, headers: Headers, body: bytes) -> None:
        assert not self.done.is_set(), "a request is answered once"
        self.status, self.body = status, body
        self.done.set()

    def begin(self, runner: RequestRunner) -> None:
        runner.start(self.running)


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def view(app: Flask, answer: Callable[[], str]) -> None:
    app.add_url_rule("/", view_func=answer, methods=["POST"])


def serve(app: WsgiApp, *bodies: bytes) -> list[Caller]:
    async def all_at_once() -> list[Caller]:
        runner = RequestRunner(app)
        callers = [Caller(body) for body in bodies]
        for each in callers:
            each.begin(runner)
        async with asyncio.timeout(10):
            for each in callers:
                await each.done.wait()
        return callers

    return asyncio.run(all_at_once())


def test_views_wait_without_holding_each_other_up(app: Flask) -> None:
    """Two requests that each wait for the other one to have started can only both finish so."""
    gate: dict[bytes, asyncio.Event] = {b"a": asyncio.Event(), b"b": asyncio.Event()}
    other = {b"a": b"b", b"b": b"a"}

    def meet() -> str:
        name = request.get_data()
        gate[name].set()
        wait_for(gate[other[name]].wait())
        assert request.get_data() == name, "each request keeps its own context"
        return name.decode()

    view(app, meet)
    first, second = serve(app.wsgi_app, b"a", b"b")
    assert (first.body, second.body) == (b"a", b"b")


def test_what_is_done_already_is_not_waited_for(app: Flask) -> None:
    async def serve_one() -> Caller:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        done.set_result("there")
        view(app, lambda: wait_for(done))
        caller = Caller()
        caller.begin(RequestRunner(app.wsgi_app))
        assert caller.done.is_set(), "before the event loop ran again"
        return caller

    assert asyncio.run(serve_one()).body == b"there"


def test_what_was_waited_for_raises_inside_the_view(app: Flask) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    def wait() -> str:
        with pytest.raises(LookupError, match="gone"):
            wait_for(fail())
        return "caught"

    view(app, wait)
    (caller,) = serve(app.wsgi_app, b"")
    assert caller.body == b"caught"


def test_cancelling_ends_the_wait_and_nothing_is_answered(app: Flask) -> None:
    ended: list[str] = []

    def wait() -> str:
        try:
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            return wait_for(never)
        finally:
            ended.append("ended")

    async def cancel() -> Caller:
        caller = Caller()
        caller.begin(RequestRunner(app.wsgi_app))
        caller.running.cancel()
        while not ended:
            await asyncio.sleep(0)
        return caller

    view(app, wait)
    assert not asyncio.run(cancel()).done.is_set()


def test_what_a_request_leaves_in_context_variables_ends_with_it() -> None:
    left: ContextVar[str] = ContextVar("left", default="nothing")

    def app(environ: object, start_response: Callable[[str, Headers], object]) -> list[bytes]:
        found = left.get()
        left.set("something")
        wait_for(asyncio.sleep(0))
        assert left.get() == "something"
        start_response("200 OK", [])
        return [found.encode()]

    async def one_after_another() -> list[bytes]:
        runner = RequestRunner(app)
        callers = [Caller() for _ in range(3)]
        for each in callers:
            each.begin(runner)
            await each.done.wait()
        assert len(runner.idle) == 1, "all ran in the same greenlet"
        return [each.body for each in callers]

    assert asyncio.run(one_after_another()) == [b"nothing"] * 3


def test_after_a_rush_few_greenlets_are_kept() -> None:
    async def rush() -> int:
        gate = asyncio.Event()

        def app(environ: object, start_response: Callable[[str, Headers], object]) -> list[bytes]:
            wait_for(gate.wait())
            start_response("200 OK", [])
            return [b"done"]

        runner = RequestRunner(app)
        callers = [Caller() for _ in range(MOST_IDLE + 20)]
        for each in callers:
            each.begin(runner)
        gate.set()
        for each in callers:
            await each.done.wait()
        return len(runner.idle)

    assert asyncio.run(rush()) == MOST_IDLE


def test_an_application_that_fails_is_answered_500(caplog: pytest.LogCaptureFixture) -> None:
    def broken(environ: object, start_response: object) -> list[bytes]:
        raise LookupError("no such thing")

    with caplog.at_level(logging.ERROR):
        (caller,) = serve(broken, b"")
    assert caller.status == FAILED
    assert "no such thing" in caplog.text


def test_an_answers_iterator_is_closed() -> None:
    class Chunks:
        closed = 0

        def __iter__(self) -> Generator[bytes]:
            yield b"one "
            yield b"two"

        def close(self) -> None:
            self.closed += 1

    chunks = Chunks()

    def app(environ: object, start_response: Callable[[str, Headers], object]) -> Chunks:
        start_response("200 OK", [])
        return chunks

    (caller,) = serve(app, b"")
    assert (caller.body, chunks.closed) == (b"one two", 1)


def test_waiting_outside_a_request_is_an_error_not_a_hang() -> None:
    class Nothing:
        def __await__(self) -> Generator[None]:
            yield

    with pytest.raises(RuntimeError, match="outside a request"):
        wait_for(Nothing())
