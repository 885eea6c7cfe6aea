from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service.engine.split import Split


def dealt(split: Split, count: int, available: set[int]) -> list[int | None]:
    return [split.next(available) for _ in range(count)]


def test_shares_are_exact_over_a_round_and_even_within_it() -> None:
    split = Split()
    split.share_out({6: 9, 7: 1})
    for _ in range(3):
        assert Counter(dealt(split, 10, {6, 7})) == {6: 9, 7: 1}


@given(st.dictionaries(st.integers(1, 9), st.integers(1, 100), min_size=1, max_size=5))
def test_a_round_gives_every_version_exactly_its_weight(
    weights: dict[int, int],
) -> None:
    split = Split()
    split.share_out(weights)
    assert Counter(dealt(split, sum(weights.values()), set(weights))) == weights


def test_without_weights_nothing_is_shared_out() -> None:
    assert Split().next({1}) is None


def test_weights_that_stay_the_same_do_not_start_the_round_anew() -> None:
    split = Split()
    answers: list[int | None] = []
    for _ in range(100):
        split.share_out({1: 99, 2: 1})
        answers += dealt(split, 1, {1, 2})
    assert Counter(answers) == {1: 99, 2: 1}
