from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np

from service.engine.batcher import Batch, Waiting
from service.engine.lanes import Lanes, Outcome
from service.engine.manager import Lease
from service.errors import InferenceFailed
from service.ipc.messages import Images, Probabilities
from tests.service.fakes import FakeSession


class ThreadedSession(FakeSession):
    """Also keeps which thread each run was in."""

    def __init__(self) -> None:
        super().__init__(1)
        self.threads: list[int] = []

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        self.threads.append(threading.get_ident())
        return super().run(images, alone=alone)


class Floor:
    """Two lanes, and what came of the batches."""

    def __init__(self) -> None:
        self.session = ThreadedSession()
        self.ended: asyncio.Queue[Outcome] = asyncio.Queue()
        self.lanes = Lanes(
            2, max_batch=16, finished=lambda batch, outcome, took_s: self._keep(outcome)
        )

    def batch(self, images: int = 1) -> Batch:
        pixels = np.zeros((images, 64, 64, 3), np.uint8)
        lease = Lease(1, self.session, lambda: None)
        return Batch((Waiting(pixels, lease, 1e9, 0.0, lambda reply: None),))

    def _keep(self, outcome: Outcome) -> None:
        self.ended.put_nowait(outcome)


def play(scene: Callable[[Floor], Awaitable[None]]) -> None:
    async def run() -> None:
        floor = Floor()
        async with asyncio.timeout(10):
            await scene(floor)
        floor.lanes.close()

    asyncio.run(run())


def test_as_many_batches_run_at_once_as_there_are_lanes() -> None:
    async def scene(floor: Floor) -> None:
        floor.session.go_on.clear()
        free = [floor.lanes.free]
        for _ in range(2):
            floor.lanes.start(floor.batch(), alone=False)
            free.append(floor.lanes.free)
        floor.session.go_on.set()
        for _ in range(2):
            assert len(await floor.ended.get()) == 1  # type: ignore[arg-type]
            free.append(floor.lanes.free)
        assert free == [True, True, False, True, True]
        assert threading.get_ident() not in floor.session.threads

    play(scene)


def test_lanes_know_for_how_long_a_run_has_been_going_on() -> None:
    async def scene(floor: Floor) -> None:
        assert floor.lanes.longest_s == 0
        floor.session.go_on.clear()
        floor.lanes.start(floor.batch(), alone=False)
        await asyncio.to_thread(floor.session.began.wait, 10)
        first, again = floor.lanes.longest_s, floor.lanes.longest_s
        assert 0 < first < again
        floor.session.go_on.set()
        await floor.ended.get()
        assert floor.lanes.longest_s == 0

    play(scene)


def test_nothing_starts_beside_a_batch_that_runs_alone() -> None:
    async def scene(floor: Floor) -> None:
        floor.session.go_on.clear()
        floor.lanes.start(floor.batch(images=2), alone=True)
        meanwhile = floor.lanes.free
        floor.session.go_on.set()
        await floor.ended.get()
        assert (meanwhile, floor.lanes.free) == (False, True)

    play(scene)


def test_a_single_image_that_runs_alone_needs_no_thread() -> None:
    async def scene(floor: Floor) -> None:
        floor.lanes.start(floor.batch(), alone=True)
        assert floor.session.threads == [threading.get_ident()]
        assert not floor.ended.empty()
        assert floor.lanes.free

    play(scene)


def test_a_request_of_more_images_than_a_batch_may_have_is_run_in_slices() -> None:
    async def scene(floor: Floor) -> None:
        floor.lanes.start(floor.batch(images=37), alone=False)
        assert len(await floor.ended.get()) == 37  # type: ignore[arg-type]
        assert floor.session.batches == [16, 16, 5]

    play(scene)


def test_a_model_that_fails_gives_an_error_and_the_lane_lives_on() -> None:
    async def scene(floor: Floor) -> None:
        floor.session.failure = RuntimeError("out of memory")
        for alone in (True, False):
            floor.lanes.start(floor.batch(), alone=alone)
            outcome = await floor.ended.get()
            assert isinstance(outcome, InferenceFailed)
            assert "out of memory" in str(outcome)
        floor.session.failure = None
        floor.lanes.start(floor.batch(), alone=False)
        assert not isinstance(await floor.ended.get(), InferenceFailed)

    play(scene)
