"""The counters behind the statistics extension."""

from __future__ import annotations

import numpy as np

from service.engine.batcher import Batch, Waiting
from service.engine.manager import Lease
from service.engine.tally import KEPT_VERSIONS, Tally
from service.errors import Overloaded
from service.ipc.messages import Answer, Failure, Reply
from service.statistics import Times
from tests.service.fakes import FakeSession, sure_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waiting(version: int, images: int, queued_at: float) -> Waiting:
    lease = Lease(version, FakeSession(version), lambda: None)
    pixels = np.zeros((images, 64, 64, 3), np.uint8)
    return Waiting(pixels, lease, 1e9, queued_at, lambda reply: None)


def test_requests_are_counted_by_how_they_end_and_passed_on() -> None:
    clock, seen = Clock(), list[Reply]()
    tally = Tally(clock=clock)
    answered, refused = tally.counting(7, seen.append), tally.counting(7, seen.append)
    clock.now += 2
    answered(Answer(7, sure_of(7, 1)))
    refused(Failure.of(Overloaded("full")))
    (counted,) = tally.versions()
    assert (counted.version, counted.success, counted.fail) == (
        7, Times(1, 2_000_000_000), Times(1, 2_000_000_000),
    )  # fmt: skip
    assert [type(each) for each in seen] == [Answer, Failure]


def test_a_run_counts_once_and_for_each_of_its_requests() -> None:
    clock = Clock()
    tally = Tally(clock=clock, wall_clock=lambda: 5.0)
    batch = Batch((waiting(7, 2, queued_at=97.0), waiting(7, 1, queued_at=98.0)))
    tally.ran(batch, 1.0, [len(batch)])
    (counted,) = tally.versions()
    assert (counted.images, counted.last_ms) == (3, 5000)
    assert counted.batches == {3: Times(1, 1_000_000_000)}
    assert counted.infer == Times(2, 2_000_000_000)
    assert counted.queue == Times(2, 3_000_000_000)


def test_a_batch_that_ran_in_slices_counts_as_runs_of_their_sizes() -> None:
    tally = Tally(clock=Clock())
    tally.ran(Batch((waiting(7, 4, queued_at=0.0),)), 2.0, [3, 1])
    (counted,) = tally.versions()
    assert counted.batches == {3: Times(1, 1_500_000_000), 1: Times(1, 500_000_000)}
    assert (counted.images, counted.infer.count) == (4, 1)


def test_versions_are_counted_apart_and_the_oldest_make_room() -> None:
    tally = Tally(clock=Clock())
    for version in range(1, KEPT_VERSIONS + 3):
        tally.counting(version, lambda reply: None)(Answer(version, sure_of(0, 1)))
    versions = [each.version for each in tally.versions()]
    assert versions == list(range(3, KEPT_VERSIONS + 3))
