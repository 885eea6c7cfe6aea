from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Histogram
from loadtest.measurements import MOST_WINDOWS, Tally, Timeline

LATENCIES = st.lists(st.floats(0.01, 60_000), min_size=1, max_size=200)


def histogram(values: list[float]) -> Histogram:
    made = Histogram()
    for each in values:
        made.add(each)
    return made


@given(LATENCIES, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_off_by_no_more_than_one_percent(values: list[float], share: float) -> None:
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert histogram(values).quantile_ms(share) == pytest.approx(exact, rel=0.01)


@given(LATENCIES, LATENCIES)
def test_histograms_add_up(one: list[float], other: list[float]) -> None:
    together = histogram(one)
    together.merge(histogram(other))
    alike = histogram(one + other)
    assert together.buckets() == alike.buckets()
    assert together.mean_ms == pytest.approx(alike.mean_ms)
    assert (together.count, together.max_ms) == (alike.count, alike.max_ms)


def test_an_empty_histogram_tells_nothing_but_zero() -> None:
    assert (Histogram().quantile_ms(0.99), Histogram().mean_ms) == (0, 0)


def timeline() -> Timeline:
    made = Timeline()
    for at_s, scenario in ((0.5, "single"), (1.2, "single"), (1.9, "batches"), (3.0, "single")):
        tally = made.tally(at_s, scenario)
        tally.requests += 1
        tally.latencies.add(10 * (at_s + 1))
        tally.errors["status 503"] += scenario == "batches"
        tally.versions["7"] += 1
    return made


def test_a_timeline_tells_each_scenario_each_time_and_all() -> None:
    made = timeline()
    assert made.scenarios() == ["batches", "single"]
    assert made.total().requests == 4
    assert made.total("single").requests == 3
    assert made.total(since_s=1, until_s=3).requests == 2
    assert [tally.requests for _, tally in made.by_window()] == [1, 2, 0, 1]
    assert made.requests() == [1, 2, 0, 1]
    assert made.total().errors == {"status 503": 1}


def test_a_timeline_travels_as_json() -> None:
    again = Timeline.from_plain(json.loads(json.dumps(timeline().to_plain())))
    assert again.to_plain() == timeline().to_plain()


def test_windows_of_a_long_run_get_wider_and_lose_nothing() -> None:
    long, source = Timeline(), Timeline()
    for second in range(3 * MOST_WINDOWS):
        source.tally(second, "single").requests += 1
    long.merge(source)
    assert long.total().requests == 3 * MOST_WINDOWS
    assert max(long.windows) < MOST_WINDOWS
    assert long.width_s == 4
    assert Tally.from_plain(long.total().to_plain()).requests == 3 * MOST_WINDOWS
