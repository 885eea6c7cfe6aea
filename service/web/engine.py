"""What a view may ask of the engine, as plain synchronous calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Protocol, TypeVar, cast

import msgspec

from service.changes import Change, ShelfState
from service.correlation import current
from service.errors import DeadlineExceeded
from service.facts import VersionFacts
from service.ipc.client import EngineClient
from service.ipc.messages import (
    Administer,
    Answer,
    AskDescription,
    AskFacts,
    AskStatistics,
    AskStatus,
    ClassName,
    EngineState,
    Facts,
    Images,
    Infer,
    Shelf,
    Statistics,
    VersionDescription,
)
from service.reference import DEFAULT, VersionRef
from service.settings import Settings
from service.statistics import VersionStatistics
from service.web.bridge import wait_for
from service.web.deadline import deadline
from service.web.pool import BoundedPool

T = TypeVar("T")


class Engine(Protocol):
    """The model behind the views; tests put a fake in its place."""

    def infer(self, images: Images, ref: VersionRef = DEFAULT) -> Answer:
        """Run uint8 [N, 64, 64, 3] through the version that `ref` names; raises ServiceError.

        The answer may take until the request's deadline (see service/web/deadline.py).
        """

    def state(self) -> EngineState:
        """Return the state of every version; raises EngineUnavailable."""

    def classes(self, version: int) -> tuple[ClassName, ...]:
        """Return the names of a version's outputs, in order."""

    def administer(self, change: Change | None, *, by: str) -> ShelfState:
        """Carry out an operator's change and return what the catalog says after it.

        The catalog in the store changes, so the whole fleet follows: this service at once, others
        with their next look at the store. Loading begins then and is seen in `state`. `by` is the
        name that the history records; None instead of a change only asks. Raises InvalidRequest,
        NotOnShelf, ChangeConflict (telling who did what), StoreUnavailable or EngineUnavailable.
        """

    def facts(self) -> tuple[VersionFacts, ...]:
        """Return what the shelf says about its newest and labelled versions, ascending."""

    def statistics(self) -> tuple[VersionStatistics, ...]:
        """Return what was counted for each version since the engine started, ascending."""

    def pause(self, seconds: float) -> None:
        """Wait while others go on; raises DeadlineExceeded when the request's time is over."""

    def in_thread(self, work: Callable[[], T]) -> T:
        """Do work that takes long enough to hold up other requests somewhere it doesn't."""

    def decode(self, work: Callable[[], T], *, images: int) -> T:
        """Do such work that clients can send any amount of, on so many images, in few threads.

        Raises Overloaded where too many images wait already, DeadlineExceeded when the request's
        time is over.
        """


class RemoteEngine:
    """The engine process, reached through the event loop's client from inside a request."""

    # Descriptions never change, so they are asked for once; old versions make room in turn.
    KEPT_DESCRIPTIONS = 16
    # There are workers for half of the cores. Each thread may need the memory of the largest image.
    DECODERS = 2

    def __init__(
        self, client: EngineClient, *, timeout_s: float, queue_images: int = Settings.queue_images
    ) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._decoders = BoundedPool(
            threads=self.DECODERS, room_images=queue_images, name="decoder"
        )
        self._stopping = False
        self._classes: dict[int, tuple[ClassName, ...]] = {}

    def infer(self, images: Images, ref: VersionRef = DEFAULT) -> Answer:
        """Run the images; the answer's version is the one that really ran."""
        until = min(deadline(), time.monotonic() + self._timeout_s)
        return cast("Answer", wait_for(self._client.request(Infer(images, ref, until, current()))))

    def state(self) -> EngineState:
        """Ask the engine for its versions; none answers by default once this worker stops."""
        state = cast("EngineState", wait_for(self._client.request(AskStatus())))
        if not self._stopping:
            return state
        return msgspec.structs.replace(state, default=None, waiting="the service is stopping")

    def stop(self) -> None:
        """Say from now on that nothing is served; what is asked all the same is answered."""
        self._stopping = True

    def classes(self, version: int) -> tuple[ClassName, ...]:
        """Return the class names, from memory if they were asked for before."""
        known = self._classes.get(version)
        if known is None:
            reply = wait_for(self._client.request(AskDescription(version)))
            known = cast("VersionDescription", reply).classes
            while len(self._classes) >= self.KEPT_DESCRIPTIONS:
                self._classes.pop(next(iter(self._classes)))
            self._classes[version] = known
        return known

    def administer(self, change: Change | None, *, by: str) -> ShelfState:
        """Have the engine process, which alone talks to the store, carry out the change."""
        reply = wait_for(self._client.request(Administer(by, change)))
        return cast("Shelf", reply).state

    def facts(self) -> tuple[VersionFacts, ...]:
        """Ask the engine, which knows them without asking the store."""
        return cast("Facts", wait_for(self._client.request(AskFacts()))).versions

    def statistics(self) -> tuple[VersionStatistics, ...]:
        """Ask the engine, through which the requests of all workers go."""
        return cast("Statistics", wait_for(self._client.request(AskStatistics()))).versions

    def pause(self, seconds: float) -> None:
        """Have the event loop come back later."""
        if time.monotonic() + seconds > deadline():
            raise DeadlineExceeded("no answer in time: it goes on, but isn't waited for any longer")
        wait_for(asyncio.sleep(seconds))

    def in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in the event loop's thread pool while other requests go on."""
        loop = asyncio.get_running_loop()
        return wait_for(cast("Awaitable[T]", loop.run_in_executor(None, copy_context().run, work)))

    def decode(self, work: Callable[[], T], *, images: int) -> T:
        """Run `work` in one of this worker's decoding threads while other requests go on."""
        return wait_for(self._decoders.run(work, images=images, until=deadline()))
