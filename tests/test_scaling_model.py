"""The model behind docs/scaling.md, on cases that can be worked out by hand."""

import pytest

from benchmarks.scaling_model import Bucket, Link, Step, buckets_of, efficiency, ring_s, step_s

LINK = Link(bytes_per_s=100.0, latency_s=0.5)
FREE = Link(bytes_per_s=1e12, latency_s=0.0)


def step(*buckets: Bucket, handling_s_per_byte: float = 0.0) -> Step:
    return Step(
        forward_s=1.0,
        backward_s=2.0,
        update_s=0.5,
        buckets=buckets,
        handling_s_per_byte=handling_s_per_byte,
    )


def test_a_ring_sends_twice_what_the_others_hold_in_as_many_turns() -> None:
    assert ring_s(100.0, 2, LINK) == pytest.approx(2 * (50 / 100 + 0.5))
    assert ring_s(100.0, 4, LINK) == pytest.approx(6 * (25 / 100 + 0.5))


def test_one_rank_computes_and_nothing_else() -> None:
    assert step_s(step(Bucket(1e9, 1.0)), 1, LINK) == pytest.approx(3.5)


def test_what_is_ready_at_the_end_travels_after_it() -> None:
    late = step(Bucket(100.0, 1.0))
    assert step_s(late, 2, LINK) == pytest.approx(3.0 + 2.0 + 0.5)


def test_what_is_ready_early_travels_while_others_are_computed() -> None:
    early = step(Bucket(100.0, 0.0))
    # Sent from 1.0 to 3.0, computed until 3.0.
    assert step_s(early, 2, LINK) == pytest.approx(3.0 + 0.5)


def test_the_link_takes_one_bucket_after_the_other() -> None:
    both = step(Bucket(100.0, 0.5), Bucket(100.0, 1.0))
    # The first from 2.0 to 4.0, then the second.
    assert step_s(both, 2, LINK) == pytest.approx(6.0 + 0.5)


def test_handling_bytes_takes_the_processor_time() -> None:
    busy = step(Bucket(100.0, 0.0), handling_s_per_byte=0.01)
    assert step_s(busy, 2, FREE) == pytest.approx(3.5 + 1.0)


def test_efficiency_is_compute_over_the_whole_step() -> None:
    late = step(Bucket(100.0, 1.0))
    assert efficiency(late, 2, LINK) == pytest.approx(3.5 / 5.5)
    assert efficiency(late, 2, FREE) == pytest.approx(1.0)


def test_buckets_are_ready_with_their_first_layer() -> None:
    first, last = 0, 3
    buckets = buckets_of([10, 20, 30, 40], [5.0, 0.0, 3.0, 2.0], [[3, 2], [1, 0]])
    assert buckets == (Bucket(70, 0.5), Bucket(30, 1.0))
    assert buckets_of([1] * 4, [1.0] * 4, [[last], [2, 1, first]])[0].ready == pytest.approx(0.25)
