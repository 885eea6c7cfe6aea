"""The engine's answers when its models don't answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import numpy as np
import pytest

from service.engine import process
from service.engine.device import Device, Hardware
from service.engine.loading import LoadingPlan
from service.engine.manager import Lease
from service.engine.process import Engine
from service.errors import EngineUnavailable
from service.ipc.messages import Answer, AskStatus, Failure, Infer, Reply
from service.reference import DEFAULT
from service.settings import Settings
from tests.service.fakes import FakeSession


class OneVersion:
    """In place of a manager: whatever is asked for is version 1."""

    default = 1

    def __init__(self, session: FakeSession) -> None:
        self._session = session

    def lease(self, ref: object) -> Lease:
        return Lease(1, self._session, lambda: None)


class NoAdministration:
    """Nobody changes anything here."""

    def close(self) -> None:
        pass


class Caller:
    """In place of a worker's connection: keeps what it is told."""

    left = False

    def __init__(self) -> None:
        self.replies: asyncio.Queue[Reply] = asyncio.Queue()

    def reply(self, reply: Reply) -> None:
        self.replies.put_nowait(reply)


def test_an_engine_whose_model_hangs_says_so_instead_of_its_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "HANGS_S", 0.0)
    session = FakeSession(1)
    session.go_on.clear()
    unused: Any = None

    async def scene() -> None:
        settings = Settings(store="file:///nowhere")
        engine = Engine(
            settings,
            cast("Any", OneVersion(session)),
            unused,
            facts=unused,
            administration=cast("Any", NoAdministration()),
            plan=LoadingPlan.of(settings, Hardware(Device.CPU)),
            give_up=lambda: None,
        )
        caller = Caller()
        images = np.zeros((2, 64, 64, 3), np.uint8)
        engine.handle(Infer(images, DEFAULT, time.monotonic() + 60), cast("Any", caller))
        await asyncio.to_thread(session.began.wait, 10)
        engine.handle(AskStatus(), cast("Any", caller))
        said = await caller.replies.get()
        assert isinstance(said, Failure)
        assert isinstance(said.error(), EngineUnavailable)
        assert "a run of the model hangs" in str(said.error())
        session.go_on.set()
        assert isinstance(await caller.replies.get(), Answer)
        engine.close()

    asyncio.run(asyncio.wait_for(scene(), 10))
