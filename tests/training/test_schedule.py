import pytest

from training.schedule import Schedule, scaled_rate

SCHEDULE = Schedule(peak=1.0, warmup_steps=4, total_steps=24)


def test_the_rate_rises_evenly_to_its_peak() -> None:
    assert [SCHEDULE.at(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_rate_then_falls_as_half_a_cosine_to_zero() -> None:
    assert SCHEDULE.at(14) == pytest.approx(0.5)
    assert SCHEDULE.at(24) == pytest.approx(0.0)
    falling = [SCHEDULE.at(step) for step in range(4, 25)]
    assert falling == sorted(falling, reverse=True)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert Schedule(peak=0.3, warmup_steps=0, total_steps=10).at(0) == pytest.approx(0.3)


def test_the_rate_grows_with_the_global_batch() -> None:
    assert scaled_rate(0.4, 256) == pytest.approx(0.4)
    assert scaled_rate(0.4, 64) == pytest.approx(0.1)
