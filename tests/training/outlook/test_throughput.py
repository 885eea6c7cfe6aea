from collections.abc import Iterator

import pytest

from training.outlook.throughput import Throughput, measure


class Clock:
    """Moves on by a second with each step."""

    def __init__(self, *seconds: float) -> None:
        self.now = 0.0
        self._seconds: Iterator[float] = iter(seconds)

    def __call__(self) -> float:
        return self.now

    def step(self) -> None:
        self.now += next(self._seconds)


def test_a_window_ends_with_the_step_that_fills_it() -> None:
    clock = Clock(1, 1, 2, 4)
    measured = measure(clock.step, images=8, windows=2, seconds=2, clock=clock)
    assert measured.windows == (8.0, 4.0)


def test_a_step_longer_than_its_window_is_counted_whole() -> None:
    clock = Clock(5)
    assert measure(clock.step, images=10, windows=1, seconds=1, clock=clock).windows == (2.0,)


def test_the_median_withstands_one_slow_window() -> None:
    measured = Throughput((10.0, 1.0, 11.0))
    assert measured.median == 10.0
    assert measured.spread == pytest.approx(1.0)
