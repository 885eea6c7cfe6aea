from __future__ import annotations

import pytest

from service.engine.pace import MOST_PATIENCE_S, PATIENCE, Pace, Start, Wait


class Engine:
    """Two lanes whose batches take ten milliseconds."""

    RUN_S = 0.01

    def __init__(self) -> None:
        self.now = 0.0
        self.queued = 0
        self.running: list[int] = []
        self.pace = Pace(lanes=2, max_batch=16, clock=lambda: self.now)

    def arrive(self, requests: int, images_each: int = 1) -> None:
        for _ in range(requests):
            self.pace.arrived(images_each)
            self.queued += images_each

    def end(self) -> int:
        """End the run that began first; its clients get their answers."""
        images = self.running.pop(0)
        self.now += self.RUN_S
        self.pace.ended(images, images, self.RUN_S)
        return images

    def decide(self) -> Start | Wait | None:
        return self.pace.decide(self.queued, len(self.running))

    def start(self) -> list[int]:
        """Start what may start and return the sizes."""
        sizes = []
        while len(self.running) < 2 and isinstance(step := self.decide(), Start):
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
        engine.now += 1
        assert engine.decide() == Start(1, alone=alone)
        engine.start()
        engine.end()


@pytest.mark.parametrize(
    ("clients", "batch"), [(2, 1), (4, 2), (8, 4), (16, 4), (32, 8), (64, 16), (200, 16)]
)
def test_lanes_get_even_batches_that_leave_as_much_waiting(
    engine: Engine, clients: int, batch: int
) -> None:
    engine.arrive(clients)
    assert engine.start() == [batch, batch]
    for _ in range(20):
        engine.arrive(engine.end())
        assert engine.start() == [batch]


def test_a_free_lane_waits_a_moment_for_those_who_have_just_been_answered(engine: Engine) -> None:
    engine.arrive(8)
    engine.start()
    answered = engine.end()
    engine.arrive(1)
    step = engine.decide()
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(PATIENCE * engine.RUN_S)
    engine.arrive(answered - 1)
    assert engine.decide() == Start(answered, alone=False)


def test_it_does_not_wait_longer_than_that(engine: Engine) -> None:
    engine.arrive(8)
    engine.start()
    engine.end()
    engine.arrive(1)
    engine.now += min(PATIENCE * engine.RUN_S, MOST_PATIENCE_S)
    assert engine.start() == [1]


def test_a_request_that_is_dropped_counts_no_more(engine: Engine) -> None:
    engine.arrive(2)
    engine.pace.left(1)
    engine.pace.left(1)
    engine.queued = 0
    engine.pace.ended(0, 0, 0.0)
    engine.pace.ended(0, 0, 0.0)
    engine.now += 1
    engine.arrive(1)
    assert engine.decide() == Start(1, alone=True)
