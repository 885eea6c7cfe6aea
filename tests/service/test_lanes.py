from __future__ import annotations

import asyncio

import numpy as np
import pytest

from service.correlation import Correlation
from service.engine.batcher import Batch, Waiting
from service.engine.lanes import Lanes, Outcome
from service.engine.manager import Lease
from service.errors import InferenceFailed
from tests.service.fakes import FakeSession


def waiting(session: FakeSession, request_id: str) -> Waiting:
    return Waiting(
        images=np.zeros((1, 64, 64, 3), np.uint8),
        lease=Lease(7, session, lambda: None),
        deadline=1e9,
        queued_at=0.0,
        reply=lambda reply: None,
        correlation=Correlation(request_id),
    )


def test_a_run_that_fails_is_logged_with_its_requests_and_the_lane_lives_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = FakeSession(7)
    outcomes: list[Outcome] = []

    async def run_one(*request_ids: str) -> None:
        done = asyncio.Event()

        def finished(batch: Batch, outcome: Outcome, took_s: float) -> None:
            outcomes.append(outcome)
            done.set()

        lanes = Lanes(1, finished=finished)
        lanes.start(Batch(tuple(waiting(session, each) for each in request_ids)), alone=False)
        await done.wait()
        assert lanes.free
        lanes.close()

    session.failure = RuntimeError("out of something")
    asyncio.run(run_one("one", "two"))
    session.failure = None
    asyncio.run(run_one("three"))

    failed, succeeded = outcomes
    assert isinstance(failed, InferenceFailed)
    assert not isinstance(succeeded, InferenceFailed)
    (record,) = caplog.records
    assert vars(record)["request_id"] == "one two"
