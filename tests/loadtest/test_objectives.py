from __future__ import annotations

import re

import pytest

from loadtest.objectives import ObjectiveError, in_force, parse_objectives, with_defaults


def test_times_are_told_in_ms_and_s() -> None:
    first, second = parse_objectives("p99<80ms, max<=1.5s")
    assert (first.metric, first.compare, first.bound) == ("p99", "<", 80)
    assert (second.metric, second.compare, second.bound) == ("max", "<=", 1500)


@pytest.mark.parametrize(
    "text",
    ["p99<80ms", "errors<0.1%", "wrong=0", "batches:p99<0.2s", "memory<5MB/min", "stall=any"],
)
def test_an_objective_is_written_as_it_was_given(text: str) -> None:
    assert [str(each) for each in parse_objectives(text)] == [text]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no objective given"),
        ("p99<80", "write 'p99<80ms' or 'p99<80s'"),
        ("p99<80ms,fast", "'fast' isn't an objective"),
        ("p98<80ms", "no metric 'p98'; there are p50,"),
        ("errors<1ms", "the unit of errors is wrong"),
        ("wrong=0,wrong<3", "'wrong<3': wrong has a bound already"),
        ("stall<any", "write 'stall=any'"),
    ],
)
def test_what_is_wrong_with_objectives_is_said_and_where(text: str, said: str) -> None:
    with pytest.raises(ObjectiveError, match=re.escape(said)):
        parse_objectives(text)


def test_bounds_hold_as_they_are_written() -> None:
    below, exactly, at_least, whatever = parse_objectives("p99<80ms,wrong=0,rate>=10/s,stall=any")
    assert (below.holds(79.9), below.holds(80)) == (True, False)
    assert (exactly.holds(0), exactly.holds(1)) == (True, False)
    assert (at_least.holds(10), at_least.holds(9.9)) == (True, False)
    assert whatever.holds(1e9)


def test_what_is_not_mentioned_keeps_its_default() -> None:
    found = {str(each) for each in with_defaults(parse_objectives("p99<80ms,errors<1%"))}
    assert found == {"p99<80ms", "errors<1%", "wrong=0", "stall<1s", "memory<5MB/min"}


def test_a_scenarios_own_objective_takes_the_place_of_the_one_for_all() -> None:
    objectives = parse_objectives("p99<80ms,wrong=0,batches:p99<200ms,rate>10/s")
    assert [str(each) for each in in_force(objectives, "batches")] == [
        "batches:p99<200ms",
        "wrong=0",
    ]
    assert [str(each) for each in in_force(objectives, "single")] == ["p99<80ms", "wrong=0"]
    assert [str(each) for each in in_force(objectives, "")] == ["rate>10/s"]
