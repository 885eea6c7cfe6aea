from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.predictions import Predictions
from training.report.confusion import (
    Bin,
    Pair,
    class_scores,
    confused_pairs,
    ranked,
    reliability,
    surest_mistakes,
    typical,
)


def predictions(*images: tuple[int, int, float, float]) -> Predictions:
    """(class, first guess, its probability, the class's probability) for each image."""
    labels, guesses, shares, own = zip(*images, strict=True)
    return Predictions(
        labels=np.array(labels, np.int32),
        own=np.array(own, np.float32),
        best=np.array(guesses, np.int32)[:, None],
        shares=np.array(shares, np.float32)[:, None],
    )


MADE_UP = predictions(
    (0, 0, 0.9, 0.9),
    (0, 1, 0.6, 0.3),
    (0, 1, 0.8, 0.1),
    (0, 2, 0.5, 0.2),
    (1, 0, 0.7, 0.2),
    (1, 1, 0.5, 0.5),
    (2, 1, 0.4, 0.3),
    (2, 1, 0.45, 0.3),
    (2, 1, 0.99, 0.0),
)


def test_classes_are_scored_with_what_they_are_taken_for() -> None:
    first, second, third, fourth = class_scores(MADE_UP, 4)
    assert (first.images, first.right, first.taken_for, first.taken_for_count) == (4, 1, 1, 2)
    assert (second.images, second.right, second.taken_for, second.taken_for_count) == (2, 1, 0, 1)
    assert (third.images, third.right, third.taken_for, third.taken_for_count) == (3, 0, 1, 3)
    assert second.own == pytest.approx(0.35)
    assert (fourth.images, fourth.top1, fourth.taken_for) == (0, 0.0, None)


def test_classes_rank_by_accuracy_and_those_without_images_not_at_all() -> None:
    assert [each.index for each in ranked(class_scores(MADE_UP, 4))] == [1, 0, 2]


def test_of_classes_with_the_same_accuracy_the_surer_one_ranks_first() -> None:
    same = predictions((0, 0, 0.5, 0.5), (1, 1, 0.9, 0.9), (2, 0, 0.8, 0.1), (3, 0, 0.8, 0.2))
    assert [each.index for each in ranked(class_scores(same, 4))] == [1, 0, 3, 2]


def test_pairs_count_both_directions_and_show_the_surest_mistakes_first() -> None:
    assert confused_pairs(MADE_UP, 9) == [
        Pair(0, 1, first_as_second=(2, 1), second_as_first=(4,)),
        Pair(2, 1, first_as_second=(8, 7, 6), second_as_first=()),
        Pair(0, 2, first_as_second=(3,), second_as_first=()),
    ]
    assert len(confused_pairs(MADE_UP, 1)) == 1


def test_a_pair_begins_with_the_class_that_is_mistaken_more_often() -> None:
    (pair,) = confused_pairs(predictions((3, 7, 0.5, 0.1), (7, 3, 0.5, 0.1), (7, 3, 0.6, 0.1)), 9)
    assert (pair.first, pair.second) == (7, 3)
    assert pair.first_as_second == (2, 1)


def test_the_surest_mistakes_are_wrong_guesses_by_probability() -> None:
    assert surest_mistakes(MADE_UP, 3) == [8, 2, 4]


def test_the_typical_image_is_the_one_in_which_the_class_is_seen_best() -> None:
    assert typical(MADE_UP, 0, 2) == [0, 1]
    assert typical(MADE_UP, 3) == []


def test_a_bin_holds_the_guesses_of_its_probabilities() -> None:
    low, high = reliability(predictions((0, 0, 0.2, 0.2), (0, 1, 0.4, 0.1), (1, 1, 1.0, 1.0)), 2)
    assert (low.images, low.accuracy) == (2, 0.5)
    assert low.confidence == pytest.approx(0.3)
    assert high == Bin(low=0.5, high=1.0, images=1, confidence=1.0, accuracy=1.0)
