from __future__ import annotations

import numpy as np
import pytest

from service.engine.batcher import Batcher, Waiting
from service.engine.manager import Lease
from service.errors import Overloaded
from service.ipc.messages import Answer, Failure, Reply
from tests.service.fakes import FakeSession, sure_of


class Desk:
    """Makes requests and keeps what becomes of them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.replies: list[Reply] = []
        self.released = 0
        self.dropped: list[Waiting] = []
        self.gone: set[int] = set()
        self.batcher = Batcher(queue_images=10, clock=lambda: self.now, dropped=self.dropped.append)

    def add(
        self, images: int = 1, version: int = 1, deadline: float = 100.0, batch_images: int = 1000
    ) -> None:
        session = FakeSession(version)
        session.batch_images = batch_images
        lease = Lease(version, session, self._release)
        pixels = np.zeros((images, 64, 64, 3), np.uint8)
        self.batcher.add(
            Waiting(
                pixels,
                lease,
                deadline,
                self.now,
                self.replies.append,
                abandoned=lambda: version in self.gone,
            )
        )

    def sizes(self) -> list[int]:
        sizes = []
        while (batch := self.batcher.next_batch(4)) is not None:
            sizes.append(len(batch))
        return sizes

    def _release(self) -> None:
        self.released += 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_empty_queue_gives_no_batch(desk: Desk) -> None:
    assert desk.batcher.next_batch(4) is None


def test_a_version_gets_batches_of_what_they_are_worth(desk: Desk) -> None:
    for _ in range(5):
        desk.add(batch_images=2)
    assert desk.sizes() == [2, 2, 1]


def test_a_single_request_runs_at_once(desk: Desk) -> None:
    desk.add()
    assert desk.sizes() == [1]


def test_what_is_waiting_runs_together_up_to_the_limit(desk: Desk) -> None:
    for _ in range(6):
        desk.add()
    assert desk.sizes() == [4, 2]


def test_a_request_is_never_split(desk: Desk) -> None:
    desk.add(images=3)
    desk.add(images=2)
    assert desk.sizes() == [3, 2]


def test_a_request_larger_than_a_batch_runs_alone(desk: Desk) -> None:
    desk.add(images=7)
    desk.add()
    assert desk.sizes() == [7, 1]


def test_versions_do_not_mix_and_the_longest_waiting_goes_first(desk: Desk) -> None:
    for version in (1, 2, 1, 2):
        desk.add(version=version)
    first = desk.batcher.next_batch(4)
    second = desk.batcher.next_batch(4)
    assert first is not None
    assert second is not None
    assert (first.lease.version, len(first)) == (1, 2)
    assert (second.lease.version, len(second)) == (2, 2)


def test_a_full_queue_refuses_and_takes_again_once_there_is_room(desk: Desk) -> None:
    desk.add(images=9)
    with pytest.raises(Overloaded):
        desk.add(images=2)
    assert desk.batcher.queued_images == 9
    assert desk.sizes() == [9]
    desk.add(images=2)
    assert desk.batcher.queued_images == 2


def test_an_expired_request_is_answered_and_its_lease_given_back(desk: Desk) -> None:
    desk.add(deadline=5.0)
    desk.add(deadline=50.0)
    desk.now = 6.0
    assert desk.sizes() == [1]
    (reply,) = desk.replies
    assert isinstance(reply, Failure)
    assert reply.code == "deadline"
    assert desk.released == 1
    assert desk.batcher.queued_images == 0


def test_a_request_nobody_waits_for_is_dropped_and_makes_room(desk: Desk) -> None:
    desk.add(images=6, version=1)
    desk.add(images=4, version=2)
    desk.gone.add(1)
    desk.add(images=3, version=2)
    assert [len(each.images) for each in desk.dropped] == [6]
    assert desk.released == 1
    assert desk.sizes() == [4, 3]


def test_each_request_gets_its_own_rows(desk: Desk) -> None:
    desk.add(images=1)
    desk.add(images=2)
    batch = desk.batcher.next_batch(4)
    assert batch is not None
    rows = np.concatenate([sure_of(0, 1), sure_of(1, 1), sure_of(2, 1)])
    batch.answer(rows)
    first, second = desk.replies
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.probabilities.argmax(axis=1).tolist() == [0]
    assert second.probabilities.argmax(axis=1).tolist() == [1, 2]
    assert desk.released == 2


def test_an_answer_that_is_no_number_fails_its_own_request_only(desk: Desk) -> None:
    desk.add(images=1)
    desk.add(images=2)
    batch = desk.batcher.next_batch(4)
    assert batch is not None
    rows = sure_of(0, 3)
    rows[2, 5] = np.nan
    batch.answer(rows)
    first, second = desk.replies
    assert isinstance(first, Answer)
    assert isinstance(second, Failure)
    assert second == Failure("inference_failed", "version 1 answered NaN or infinity")
    assert desk.released == 2
