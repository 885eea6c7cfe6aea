from __future__ import annotations

import pytest

from loadtest.knee import KneeSearch
from loadtest.levels import LEVELS


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_a_shape_reaches_its_peak_and_never_more(name: str) -> None:
    levels = [LEVELS[name](step / 1000) for step in range(1000)]
    assert max(levels) == pytest.approx(1.0, abs=0.06)
    assert min(levels) > 0
    assert max(levels) <= 1


def test_a_spike_comes_and_goes_at_once() -> None:
    spike = LEVELS["spike"]
    assert [spike(done) for done in (0.0, 0.39, 0.4, 0.59, 0.6, 0.99)] == [0.2, 0.2, 1, 1, 0.2, 0.2]


def test_a_day_is_quiet_at_night_and_dips_at_noon() -> None:
    day = LEVELS["day"]
    assert day(0.02) == day(0.98) == pytest.approx(0.2)
    assert day(0.52) < day(0.42)
    assert day(0.52) < day(0.6)


def search(capacity: float, start: float) -> KneeSearch:
    knee = KneeSearch(start)
    for _ in range(60):
        if knee.is_over:
            return knee
        knee.tell("p99<80ms in single (120 ms)" if knee.rate > capacity else "")
    raise AssertionError("the search doesn't end")


@pytest.mark.parametrize("capacity", [1.5, 37.0, 640.0, 12_000.0])
@pytest.mark.parametrize("start", [1.0, 50.0, 5_000.0])
def test_the_knee_is_found_to_five_percent_from_anywhere(capacity: float, start: float) -> None:
    found = search(capacity, start)
    assert capacity / 1.05 <= found.highest_good <= capacity
    assert len(found.steps) < 30


def test_a_service_that_never_holds_has_no_knee() -> None:
    assert search(0.0, 100.0).highest_good == 0
