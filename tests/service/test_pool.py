"""Work beside the event loop, in few threads and up to a bound."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path

import pytest

from service.errors import DeadlineExceeded, Overloaded
from service.ipc.client import EngineClient
from service.web.bridge import Headers, RequestRunner, RunningRequest
from service.web.deadline import NEVER
from service.web.engine import RemoteEngine
from service.web.pool import BoundedPool

Scene = Callable[["Works"], Awaitable[None]]


class Works:
    """A pool of two threads and room for ten images, and work that goes on when it may."""

    def __init__(self) -> None:
        self.pool = BoundedPool(threads=2, room_images=10, name="test")
        self.may_end = threading.Event()
        self.began: list[str] = []

    def start(self, name: str = "work", images: int = 1, until: float = NEVER) -> asyncio.Task[str]:
        return asyncio.create_task(self.pool.run(self.work(name), images=images, until=until))

    def work(self, name: str) -> Callable[[], str]:
        def take_part() -> str:
            self.began.append(name)
            assert self.may_end.wait(10)
            return name

        return take_part

    async def both_threads_busy(self) -> list[asyncio.Task[str]]:
        busy = [self.start(), self.start()]
        while len(self.began) < 2:
            await asyncio.sleep(0)
        return busy


def play(scene: Scene) -> None:
    async def run() -> None:
        works = Works()
        try:
            async with asyncio.timeout(10):
                await scene(works)
        finally:
            works.may_end.set()
            works.pool.close()

    asyncio.run(run())


def test_what_work_returns_or_raises_is_its_callers() -> None:
    def fail() -> str:
        raise LookupError("gone")

    async def scene(works: Works) -> None:
        works.may_end.set()
        assert await works.start("a") == "a"
        with pytest.raises(LookupError, match="gone"):
            await works.pool.run(fail, images=1, until=NEVER)

    play(scene)


def test_work_sees_its_callers_context() -> None:
    whose: ContextVar[str] = ContextVar("whose")

    async def scene(works: Works) -> None:
        whose.set("mine")
        assert await works.pool.run(whose.get, images=1, until=NEVER) == "mine"

    play(scene)


def test_more_images_than_may_wait_are_refused_until_there_is_room() -> None:
    async def scene(works: Works) -> None:
        busy = await works.both_threads_busy()
        waiting = works.start(images=8)
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="10 images wait"):
            await works.start(images=1)
        works.may_end.set()
        await asyncio.gather(*busy, waiting)
        assert await works.start("late", images=10) == "late"

    play(scene)


def test_a_free_thread_takes_work_of_any_size() -> None:
    async def scene(works: Works) -> None:
        works.may_end.set()
        assert await works.start("large", images=11) == "large"

    play(scene)


def test_work_that_waits_past_its_deadline_is_answered_then_and_never_begins() -> None:
    async def scene(works: Works) -> None:
        busy = await works.both_threads_busy()
        with pytest.raises(DeadlineExceeded):
            await works.start("late", until=time.monotonic() + 0.05)
        with pytest.raises(DeadlineExceeded):
            await works.start("over", until=time.monotonic())
        works.may_end.set()
        await asyncio.gather(*busy, works.start("next"))
        assert works.began == ["work", "work", "next"]

    play(scene)


def test_work_that_is_given_up_keeps_nothing_in_memory_while_the_threads_are_busy() -> None:
    class Body:
        def __call__(self) -> str:
            return "done"

    async def scene(works: Works) -> None:
        busy = await works.both_threads_busy()
        body = Body()
        gone = weakref.ref(body)
        waiting = works.pool.run(body, images=1, until=time.monotonic() + 0.05)
        del body
        with pytest.raises(DeadlineExceeded):
            await waiting
        del waiting
        gc.collect()
        assert gone() is None
        works.may_end.set()
        await asyncio.gather(*busy)

    play(scene)


def test_work_whose_caller_has_left_makes_room_and_never_begins() -> None:
    async def scene(works: Works) -> None:
        busy = await works.both_threads_busy()
        left = works.start("left", images=8)
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        waiting = works.start("next", images=8)
        await asyncio.sleep(0)
        works.may_end.set()
        await asyncio.gather(*busy, waiting)
        assert works.began == ["work", "work", "next"]

    play(scene)


def test_decoding_does_not_hold_up_what_else_needs_a_thread() -> None:
    """Metrics and the console's numbers are made beside the event loop, too."""

    async def scene(works: Works) -> None:
        engine = RemoteEngine(EngineClient(Path("nowhere.sock")), timeout_s=10)
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        def app(
            environ: dict[str, str], start_response: Callable[[str, Headers], object]
        ) -> list[bytes]:
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/metrics":
                return [engine.in_thread(lambda: b"metrics")]
            engine.decode(works.work("decode"), images=1)
            return [b"decoded"]

        runner = RequestRunner(app)
        for path in ("/decode",) * 40 + ("/metrics",):
            answered = RunningRequest(
                {"PATH_INFO": path}, lambda status, headers, body: answers.put_nowait(body)
            )
            runner.start(answered)
        assert await answers.get() == b"metrics"
        assert len(works.began) <= RemoteEngine.DECODERS
        works.may_end.set()
        for _ in range(40):
            assert await answers.get() == b"decoded"

    play(scene)
