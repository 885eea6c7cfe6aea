"""A worker's client and the engine's server over a real socket, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from service.errors import EngineUnavailable, Overloaded
from service.ipc.client import EngineClient
from service.ipc.messages import Answer, AskDescription, Failure, Infer, Request
from service.ipc.server import Caller, listen
from service.reference import DEFAULT
from tests.service.fakes import sure_of

IMAGES = np.zeros((1, 64, 64, 3), np.uint8)


class FakeEngine:
    """Keeps what it is asked until told how to answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, Caller]] = []
        self.came = asyncio.Event()

    def handle(self, request: Request, caller: Caller) -> None:
        self.asked.append((request, caller))
        self.came.set()

    async def next(self) -> tuple[Request, Caller]:
        while not self.asked:
            self.came.clear()
            await self.came.wait()
        return self.asked.pop(0)


class Line:
    def __init__(self, engine: FakeEngine, client: EngineClient, server: asyncio.Server) -> None:
        self.engine = engine
        self.client = client
        self.server = server

    async def infer(self, within_s: float = 60.0) -> tuple[asyncio.Future[object], Caller]:
        deadline = asyncio.get_running_loop().time() + within_s
        answer = self.client.request(Infer(IMAGES, DEFAULT, deadline))
        _, caller = await self.engine.next()
        return answer, caller  # type: ignore[return-value]


Scene = Callable[[Line], Awaitable[None]]


def play(folder: Path, scene: Scene) -> None:
    async def run() -> None:
        engine = FakeEngine()
        path = folder / "engine.sock"
        server = await listen(path, engine.handle)
        client = EngineClient(path)
        running = asyncio.create_task(client.run())
        try:
            async with asyncio.timeout(10):
                while not client.connected:
                    await asyncio.sleep(0)
                await scene(Line(engine, client, server))  # type: ignore[arg-type]
        finally:
            running.cancel()
            server.close()
            await asyncio.gather(running, return_exceptions=True)
            for _ in range(10):  # rounds of the loop, for the other end to see it
                await asyncio.sleep(0)

    asyncio.run(run())


def test_each_request_gets_its_own_answer_in_whatever_order(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        first, to_first = await line.infer()
        second, to_second = await line.infer()
        to_second.reply(Answer(2, sure_of(2, 1)))
        to_first.reply(Answer(1, sure_of(1, 1)))
        answers = await asyncio.gather(first, second)
        assert [each.version for each in answers if isinstance(each, Answer)] == [1, 2]

    play(tmp_path, scene)


def test_a_failure_is_raised_as_the_error_it_was(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        answer, caller = await line.infer()
        caller.reply(Failure.of(Overloaded("full")))
        with pytest.raises(Overloaded, match="full"):
            await answer

    play(tmp_path, scene)


def test_cancelling_tells_the_engine_that_nobody_waits(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        answer, caller = await line.infer()
        other, to_other = await line.infer()
        answer.cancel()
        while not caller.left:
            await asyncio.sleep(0)
        caller.reply(Answer(1, sure_of(1, 1)))
        to_other.reply(Answer(2, sure_of(2, 1)))
        assert isinstance(await other, Answer)
        assert not to_other.left

    play(tmp_path, scene)


def test_a_worker_that_is_gone_waits_for_nothing(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        answer, caller = await line.infer()
        line.client.close()
        while not caller.left:
            await asyncio.sleep(0)
        with pytest.raises(EngineUnavailable):
            await answer
        while not line.client.connected:
            await asyncio.sleep(0)
        again, to_again = await line.infer()
        to_again.reply(Answer(1, sure_of(1, 1)))
        assert isinstance(await again, Answer), "it connects again"

    play(tmp_path, scene)


def test_without_a_connection_requests_fail_at_once(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="starting"):
        EngineClient(tmp_path / "nothing").request(AskDescription(1))
