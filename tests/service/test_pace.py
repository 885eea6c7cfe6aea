from __future__ import annotations

import pytest

from service.engine.pace import Pace, Start


class Engine:
    """Two lanes, and clients that ask again as soon as they are answered."""

    def __init__(self) -> None:
        self.queued = 0
        self.running: list[int] = []
        self.pace = Pace(lanes=2, max_batch=16)

    def arrive(self, requests: int, images_each: int = 1) -> None:
        for _ in range(requests):
            self.pace.arrived(images_each)
            self.queued += images_each

    def end(self) -> int:
        """End the run that began first; return how many clients get their answers."""
        images = self.running.pop(0)
        self.pace.ended(images, images)
        return images

    def decide(self) -> Start | None:
        return self.pace.decide(self.queued, len(self.running))

    def start(self) -> list[int]:
        """Start what may start and return the sizes."""
        sizes = []
        while len(self.running) < 2 and (step := self.decide()) is not None:
            sizes.append(min(step.images, self.queued))
            self.queued -= sizes[-1]
            self.running.append(sizes[-1])
        return sizes


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_nothing_starts_while_nothing_waits(engine: Engine) -> None:
    assert engine.decide() is None


def test_a_single_clients_requests_have_all_cores(engine: Engine) -> None:
    for _ in range(3):
        engine.arrive(1)
        assert engine.decide() == Start(1, alone=True)
        engine.start()
        engine.end()


def test_several_images_of_a_single_client_too(engine: Engine) -> None:
    engine.arrive(1, images_each=40)
    assert engine.decide() == Start(40, alone=True)


def test_a_second_client_ends_that_and_solitude_has_to_be_proved_again(engine: Engine) -> None:
    engine.arrive(1)
    engine.start()
    engine.arrive(1)
    engine.end()
    assert engine.decide() == Start(1, alone=False)
    engine.start()
    engine.end()
    for alone in (False, True):
        engine.arrive(1)
        assert engine.decide() == Start(1, alone=alone)
        engine.start()
        engine.end()


@pytest.mark.parametrize(
    ("clients", "batch"),
    [(2, 1), (4, 2), (6, 3), (8, 3), (16, 4), (32, 8), (64, 16), (200, 16)],
)
def test_lanes_get_even_batches_that_leave_some_waiting(
    engine: Engine, clients: int, batch: int
) -> None:
    engine.arrive(clients)
    assert engine.start() == [batch, batch]
    for _ in range(20):
        engine.arrive(engine.end())
        assert engine.start() == [batch]


def test_a_free_lane_takes_what_there_is(engine: Engine) -> None:
    engine.arrive(64)
    engine.start()
    engine.end()
    engine.queued = 3
    assert engine.start() == [3]


def test_after_a_rush_batches_get_smaller_again(engine: Engine) -> None:
    engine.arrive(64)
    sizes = engine.start()
    assert sizes == [16, 16]
    for _ in range(8):
        while engine.running:
            engine.end()
            engine.start()
        engine.arrive(4)
        sizes = engine.start()
    assert sizes == [2, 2]


def test_a_request_that_is_dropped_counts_no_more(engine: Engine) -> None:
    engine.arrive(2)
    engine.pace.left(1)
    engine.pace.left(1)
    engine.queued = 0
    for _ in range(2):
        engine.pace.ended(0, 0)
    engine.arrive(1)
    assert engine.decide() == Start(1, alone=True)
