import numpy as np
import pytest

from training.data.holdout import held_out, held_out_count, held_out_rows, trained_rows
from training.data.prepared import Split
from training.data.stratified import stratified_rows

LABELS = np.repeat(np.arange(10, dtype=np.int32), 50)
SPLIT = Split(
    images=np.broadcast_to(
        np.arange(500, dtype=np.uint16).astype(np.uint8)[:, None, None, None], (500, 64, 64, 3)
    ),
    labels=LABELS,
)


def test_each_image_is_either_trained_on_or_held_out() -> None:
    trained, held = trained_rows(SPLIT, 0.1), held_out_rows(SPLIT, 0.1)
    assert sorted([*trained, *held]) == list(range(500))
    assert len(held) == held_out_count(500, 0.1) == 50


def test_every_class_gives_the_same_share() -> None:
    assert np.bincount(LABELS[held_out_rows(SPLIT, 0.1)]).tolist() == [5] * 10


def test_the_same_images_are_held_out_in_every_run() -> None:
    np.testing.assert_array_equal(held_out_rows(SPLIT, 0.1), held_out_rows(SPLIT, 0.1))


def test_what_is_held_out_are_the_images_of_these_rows() -> None:
    split, rows = held_out(SPLIT, 0.04), held_out_rows(SPLIT, 0.04)
    np.testing.assert_array_equal(split.labels, LABELS[rows])
    np.testing.assert_array_equal(split.images, SPLIT.images[rows])


def test_without_a_part_all_are_trained_on() -> None:
    assert len(held_out_rows(SPLIT, 0.0)) == 0
    np.testing.assert_array_equal(trained_rows(SPLIT, 0.0), np.arange(500))


def test_a_part_of_less_than_an_image_is_one() -> None:
    assert len(held_out_rows(SPLIT, 0.0001)) == 1


@pytest.mark.parametrize(("count", "sizes"), [(6, [2, 2, 2]), (10, [2, 4, 4]), (99, [2, 5, 50])])
def test_small_classes_give_what_they_have(count: int, sizes: list[int]) -> None:
    labels = np.repeat(np.arange(3, dtype=np.int32), [2, 5, 50])
    rows = stratified_rows(labels, count, np.random.default_rng(1))
    assert np.bincount(labels[rows]).tolist() == sizes
    assert len(set(rows.tolist())) == len(rows)


def test_a_round_that_is_not_whole_favours_no_class() -> None:
    chosen = {
        int(LABELS[row])
        for seed in range(40)
        for row in stratified_rows(LABELS, 2, np.random.default_rng(seed))
    }
    assert chosen == set(range(10))
