"""Scores class by class, calibration, and data whose classes are others than the model's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.fakes import RecordedBars
from training.data.layout import ClassName
from training.data.prepared import Split
from training.errors import DataError, ExportError
from training.evaluation.scorecard import expected_calibration_error, measure, outputs_of, score

KNOWN = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}") for i in range(7))
ANSWERS = np.array(
    [
        [0.9, 0.1, 0, 0, 0, 0, 0],
        [0.5, 0.4, 0.1, 0, 0, 0, 0],
        [0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0],
    ],
    np.float32,
)


def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each image's first pixel holds its row."""
    return ANSWERS[images[:, 0, 0, 0]]


def split_of(*labels: int) -> Split:
    images = np.zeros((len(labels), 64, 64, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Split(images=images, labels=np.array(labels, np.int32))


def test_classes_are_matched_by_id_in_any_order_and_may_be_fewer() -> None:
    np.testing.assert_array_equal(outputs_of(KNOWN, (KNOWN[6], KNOWN[0])), [6, 0])
    unnamed = tuple(ClassName(wnid="", label=item.label, names="") for item in KNOWN)
    np.testing.assert_array_equal(outputs_of(unnamed, KNOWN[::-1]), np.arange(7)[::-1])


def test_classes_that_the_model_does_not_know_are_refused_by_name() -> None:
    other = ClassName(wnid="n99999999", label="unicorn", names="unicorn")
    with pytest.raises(DataError, match=r"1 of the data's 3 classes .* n99999999 \(unicorn\)"):
        outputs_of(KNOWN, (*KNOWN[:2], other))


def test_scores_are_those_of_the_classes_whatever_their_order_in_the_data(
    bars: RecordedBars,
) -> None:
    data = (KNOWN[1], KNOWN[6], KNOWN[0])
    outputs = outputs_of(KNOWN, data)
    # Images of the data's classes 2, 0 and 1, which are outputs 0, 1 and 6.
    predictions, images_per_s = measure(answers, split_of(2, 0, 1), outputs, bars, title="x")
    card = score(predictions, data, outputs)
    assert card.images == 3
    assert (card.top1, card.top5) == pytest.approx((1 / 3, 2 / 3))
    assert card.loss == pytest.approx(-np.log([0.9, 0.4, 1e-12]).mean(), rel=1e-6)
    assert [(item.label, item.top1, item.top5) for item in card.classes] == [
        ("c1", 0.0, 1.0),
        ("c6", 0.0, 0.0),
        ("c0", 1.0, 1.0),
    ]
    assert images_per_s > 0
    assert bars.bars[0].done == bars.bars[0].total == 3


def test_a_class_without_images_has_no_accuracy(bars: RecordedBars) -> None:
    outputs = outputs_of(KNOWN, KNOWN)
    predictions, _ = measure(answers, split_of(0), outputs, bars, title="x")
    card = score(predictions, KNOWN, outputs)
    assert (card.classes[0].top1, card.classes[1].images, card.classes[1].top1) == (1.0, 0, None)


def test_images_a_second_are_those_of_the_model_alone(bars: RecordedBars) -> None:
    ticks = iter([10.0, 10.5])
    _, rate = measure(
        answers,
        split_of(0, 1),
        np.arange(7, dtype=np.int32),
        bars,
        title="x",
        clock=lambda: next(ticks),
    )
    assert rate == pytest.approx(4.0)


def test_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    always_right = np.ones(4, bool)
    assert expected_calibration_error(np.ones(4, np.float32), always_right) == 0.0
    assert expected_calibration_error(np.ones(4, np.float32), ~always_right) == 1.0
    assert expected_calibration_error(np.zeros(0, np.float32), np.zeros(0, bool)) == 0.0
    # By hand: bins (9/15, 10/15] with two of which one is right, (13/15, 14/15] with one wrong.
    confidences = np.array([0.62, 0.66, 0.9], np.float32)
    right = np.array([True, False, False])
    expected = 2 / 3 * abs(0.5 - 0.64) + 1 / 3 * 0.9
    assert expected_calibration_error(confidences, right) == pytest.approx(expected, rel=1e-6)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    # 0.5 and 0.75 would share the upper of two bins if edges belonged to it: |1 - 1.25| / 2.
    confidences, right = np.array([0.5, 0.75], np.float32), np.array([True, False])
    assert expected_calibration_error(confidences, right, bins=2) == pytest.approx(0.625)


def test_a_model_that_answers_nan_has_no_scores(bars: RecordedBars) -> None:
    with pytest.raises(ExportError, match="evaluating x: answers NaN"):
        measure(
            lambda images: np.full((len(images), 7), np.nan, np.float32),
            split_of(0, 1),
            np.arange(7, dtype=np.int32),
            bars,
            title="evaluating x",
        )
