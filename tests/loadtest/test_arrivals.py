from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from loadtest.arrivals import Desk, Schedule, Turns


def test_moments_are_evenly_spaced_however_late_they_are_taken() -> None:
    schedule = Schedule()
    schedule.change(10.0, now_s=0.0)
    taken = schedule.take_due(0.0) + schedule.take_due(0.95)
    assert taken == pytest.approx([n / 10 for n in range(10)])
    assert schedule.next_s == pytest.approx(1.0)


def test_nothing_is_due_at_rate_zero() -> None:
    schedule = Schedule()
    assert schedule.take_due(1e9) == []
    schedule.change(5.0, 0.0)
    schedule.change(0.0, 1.0)
    assert schedule.take_due(1e9) == []


def test_a_change_of_rate_neither_skips_nor_repeats_a_moment() -> None:
    schedule = Schedule()
    schedule.change(1.0, now_s=0.0)
    assert schedule.take_due(0.0) == [0.0]
    # Half of the gap of a second is left, which is half a gap at any rate.
    schedule.change(10.0, now_s=0.5)
    assert schedule.next_s == pytest.approx(0.55)


def test_turns_are_shared_out_exactly_at_any_time() -> None:
    turns = Turns()
    weights = {"single": 6.0, "batches": 1.0, "v2": 3.0}
    for _ in range(5):
        assert Counter(turns.take(weights) for _ in range(10)) == {
            "single": 6,
            "batches": 1,
            "v2": 3,
        }


@dataclass
class User:
    began: list[float] = field(default_factory=list)

    def set(self, intended_s: float) -> None:
        self.began.append(intended_s)


def test_who_came_last_goes_first_so_that_few_connections_stay_busy() -> None:
    desk, first, last = Desk(), User(), User()
    desk.queue("single", first)
    desk.queue("single", last)
    desk.give("single", 1.0)
    assert (first.began, last.began) == ([], [1.0])


def test_a_moment_that_nobody_was_free_for_waits_with_its_time() -> None:
    desk = Desk()
    desk.give("single", 1.0)
    desk.give("single", 2.0)
    desk.give("v2", 3.0)
    assert [desk.take_overdue("single") for _ in range(3)] == [1.0, 2.0, None]


def test_who_left_is_given_nothing() -> None:
    desk, user = Desk(), User()
    desk.queue("single", user)
    desk.leave("single", user)
    desk.leave("single", user)
    desk.give("single", 1.0)
    assert user.began == []
    assert desk.take_overdue("single") == 1.0
