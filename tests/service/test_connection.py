"""HTTP over real sockets, in one process."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from service.metrics import REGISTRY
from service.web.bridge import Environ, wait_for
from service.web.connection import Connection
from service.web.limits import HttpLimits
from service.web.worker import LoopHouse

LIMITS = HttpLimits(body=1000, head=10_000)
GET = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
GATE = b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


class App:
    """Answers with what it was sent; `/gate` waits until the gate opens, `/long` answers much."""

    LONG = 20_000_000

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.calls = 0
        self.given_up = asyncio.Event()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        self.calls += 1
        path = environ["PATH_INFO"]
        if path == "/gate":
            self._wait()
        start_response("200 OK", [])
        if path == "/long":
            return [bytes(self.LONG)]
        if environ["hotshelf.body_too_large"]:
            return [b"<too large>"]
        return [f"<{path} {environ['wsgi.input'].read().decode()}>".encode()]

    def _wait(self) -> None:
        self.waiting.set()
        try:
            wait_for(self.gate.wait())
        except asyncio.CancelledError:
            self.given_up.set()
            raise


class Client:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, *pieces: bytes) -> None:
        for each in pieces:
            self.writer.write(each)

    async def until(self, end: bytes) -> bytes:
        return await self._reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def to_the_end(self) -> bytes:
        """Return all that comes until the server closes."""
        return await self._reader.read()


class Site:
    """A worker's connections, its application, and clients of it."""

    def __init__(self, limits: HttpLimits, port: int, house: LoopHouse, app: App) -> None:
        self.limits = limits
        self.house = house
        self.app = app
        self.clients: list[Client] = []
        self._port = port

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self.clients.append(client)
        while not self.house.connections:
            await asyncio.sleep(0)
        return client

    async def talk(self, *pieces: bytes) -> bytes:
        """Send, and return all that comes until the server closes."""
        client = await self.client()
        client.send(*pieces)
        return await client.to_the_end()

    async def all_closed(self) -> None:
        while self.house.connections:
            await asyncio.sleep(0.001)


class SkippedTime:
    """The loop, on a clock that can be moved forward."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.skipped_s = 0.0

    def time(self) -> float:
        return self._loop.time() + self.skipped_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


@asynccontextmanager
async def site(limits: HttpLimits) -> AsyncIterator[tuple[Site, SkippedTime]]:
    loop = asyncio.get_running_loop()
    clock = SkippedTime(loop)
    app = App()
    house = LoopHouse(app, limits, clock)  # type: ignore[arg-type]
    server = await loop.create_server(lambda: Connection(house), "127.0.0.1", 0)
    place = Site(limits, server.sockets[0].getsockname()[1], house, app)
    try:
        yield place, clock
    finally:
        server.close()
        for each in place.clients:
            each.writer.close()
        await place.all_closed()


Scene = Callable[[Site, SkippedTime], Awaitable[None]]


def play(scene: Scene, limits: HttpLimits = LIMITS) -> None:
    async def run() -> None:
        async with asyncio.timeout(10), site(limits) as (place, clock):
            await scene(place, clock)

    asyncio.run(run())


def refused(status: bytes) -> float:
    labels = {"dialect": "refused", "status": status.decode(), "version": ""}
    return REGISTRY.get_sample_value("hotshelf_requests_total", labels) or 0.0


def test_requests_follow_each_other_on_one_connection() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        for _ in range(3):
            client.send(GET)
            assert (await client.until(b">")).startswith(OK)

    play(scene)


def test_thousands_of_requests_sent_at_once_are_answered_in_order() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        for number in range(3000):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        for number in range(3000):
            assert (await client.until(b">")).endswith(b"</%d >" % number)

    play(scene)


def test_a_request_sent_while_another_runs_waits_its_turn() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(GATE)
        await place.app.waiting.wait()
        client.send(GET)
        place.app.gate.set()
        assert (await client.until(b">")).endswith(b"</gate >")
        assert (await client.until(b">")).endswith(b"</one >")

    play(scene)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"Content-Length: 5\r\n\r\nhello"], id="at once"),
        pytest.param([b"Content-Length: 5\r\n\r\n", b"he", b"llo"], id="in pieces"),
        pytest.param(
            [b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n"],
            id="in chunks",
        ),
    ],
)
def test_a_body_arrives_whole(pieces: list[bytes]) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        assert (await place.talk(head, *pieces)).endswith(b"</ hello>")
        assert place.house.held == 0

    play(scene)


def test_whoever_asks_whether_to_send_the_body_is_told_to() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert (await client.until(b">")).endswith(b"</ ab>")

    play(scene)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"Content-Length: 2000\r\n\r\n", b"x" * 2000], id="announced"),
        pytest.param([b"Content-Length: 99999999999999999999\r\n\r\n", b"x"], id="absurd"),
        pytest.param(
            [b"Transfer-Encoding: chunked\r\n\r\n", b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n"],
            id="streamed",
        ),
        pytest.param(
            [b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 30_000], id="chunk extension"
        ),
    ],
)
def test_a_body_over_the_limit_is_told_to_the_application_and_dropped(pieces: list[bytes]) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n", *pieces)
        answer = await client.until(b">")
        assert b"Connection: close" in answer
        assert answer.endswith(b"<too large>")
        assert place.house.held == 0
        client.send(b"the rest")
        clock.skipped_s = place.limits.drain_s + 1
        place.house.end_overdue()
        await place.all_closed()
        assert place.app.calls == 1

    play(scene)


def test_a_body_at_the_limit_is_taken() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"x" * 1000)
        assert (await client.until(b">")).endswith(b"x>")

    play(scene)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"400"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            b"400",
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"GET /?label=\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"431"),
    ],
)
def test_what_is_no_request_is_refused_in_json_and_closed(sent: bytes, status: bytes) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        before = refused(status)
        answer = await place.talk(sent)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"application/json" in answer
        assert place.app.calls == 0
        assert refused(status) == before + 1

    play(scene)


def test_a_client_that_leaves_has_its_request_given_up() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(GATE)
        await place.app.waiting.wait()
        client.writer.close()
        await place.app.given_up.wait()
        await place.all_closed()

    play(scene)


def test_a_client_that_leaves_halfway_never_reaches_the_application() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        while not place.house.held:
            await asyncio.sleep(0)
        client.writer.close()
        await place.all_closed()
        assert place.app.calls == 0
        assert place.house.held == 0

    play(scene)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHo", LIMITS.head_s, id="head"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx", LIMITS.body_s, id="body"
        ),
    ],
)
def test_a_client_too_slow_to_ask_is_told_so_and_closed(sent: bytes, seconds: float) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(GET)
        await client.until(b">")
        (connection,) = place.house.connections
        begun = connection.due
        client.send(sent)
        while connection.due == begun:
            await asyncio.sleep(0)
        clock.skipped_s = seconds - 1
        place.house.end_overdue()
        assert place.house.connections == {connection}
        clock.skipped_s = seconds + 1
        before = refused(b"408")
        place.house.end_overdue()
        assert (await client.to_the_end()).startswith(b"HTTP/1.1 408")
        assert refused(b"408") == before + 1

    play(scene)


def test_an_idle_connection_is_closed_without_a_word() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(GET)
        await client.until(b">")
        clock.skipped_s = LIMITS.idle_s + 1
        place.house.end_overdue()
        assert await client.to_the_end() == b""

    play(scene)


def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        while not place.app.calls:
            await asyncio.sleep(0)
        clock.skipped_s = LIMITS.write_s + 1
        place.house.end_overdue()
        await place.all_closed()

    play(scene)


def test_a_long_answer_arrives_whole_and_the_next_request_is_taken() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        await client.until(b"\r\n\r\n")
        assert await client.exactly(App.LONG) == bytes(App.LONG)
        assert (await client.until(b">")).endswith(b"</one >")

    play(scene)


def test_stopping_closes_idle_connections_and_lets_the_rest_finish() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        idle, busy = await place.client(), await place.client()
        busy.send(GATE)
        await place.app.waiting.wait()
        place.house.stop()
        assert await idle.to_the_end() == b""
        place.app.gate.set()
        answer = await busy.to_the_end()
        assert b"Connection: close" in answer
        assert answer.endswith(b"</gate >")

    play(scene)


def test_connections_over_the_limit_are_told_to_come_again() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        await place.client()
        before = refused(b"503")
        answer = await place.talk()
        assert answer.startswith(b"HTTP/1.1 503")
        assert refused(b"503") == before + 1
        assert b"Retry-After: 1" in answer

    play(scene, replace(LIMITS, connections=1))


ANNOUNCED = b"POST /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n"
CHUNKED = b"POST /gate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"384\r\n" + b"x" * 900 + b"\r\n"
TWO_BODIES = replace(LIMITS, all_bodies=1900)


@pytest.mark.parametrize("sent", [ANNOUNCED, CHUNKED + CHUNK], ids=["announced", "in chunks"])
@pytest.mark.parametrize("further", [ANNOUNCED, CHUNKED + CHUNK], ids=["announced", "in chunks"])
def test_bodies_that_together_are_too_much_are_told_to_come_again(
    sent: bytes, further: bytes
) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        for number in (1, 2):
            (await place.client()).send(sent)
            while place.house.held < number * 900:
                await asyncio.sleep(0)
        answer = await place.talk(further)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in answer
        assert place.house.held == 1800

    play(scene, TWO_BODIES)


@pytest.mark.parametrize("rest", [b"x" * 900, b""], ids=["answered", "given up"])
def test_a_body_holds_its_room_until_its_request_is_over(rest: bytes) -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        clients = [await place.client() for _ in range(2)]
        for each in clients:
            each.send(ANNOUNCED, rest)
        while place.house.held < 1800 or place.app.calls < 2 * bool(rest):
            await asyncio.sleep(0)
        assert (await place.talk(ANNOUNCED)).startswith(b"HTTP/1.1 503")
        place.app.gate.set()
        if rest:
            for each in clients:
                await each.until(b">")
        else:
            for each in clients:
                each.writer.close()
        while place.house.held:
            await asyncio.sleep(0)
        last = GET.replace(b"Host", b"Connection: close\r\nHost")
        assert (await place.talk(ANNOUNCED, b"x" * 900, last)).startswith(OK)
        assert place.house.held == 0

    play(scene, TWO_BODIES)


def test_a_closed_connection_leaves_nothing_behind() -> None:
    async def scene(place: Site, clock: SkippedTime) -> None:
        client = await place.client()
        kept = [weakref.ref(each) for each in place.house.connections]
        client.send(GET)
        await client.until(b">")
        client.writer.close()
        # The loop lets go of it some turns later; if it never does, the time-out ends this.
        while any(each() for each in kept):
            await asyncio.sleep(0)
            gc.collect()

    play(scene)
