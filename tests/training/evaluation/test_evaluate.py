import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.fakes import RecordedBars
from training.data.prepared import Split
from training.errors import ExportError
from training.evaluation.compare import check_agreement, compare
from training.evaluation.evaluate import Counts, count, evaluate, in_batches

LABELS = np.array([0, 1, 6, 3], np.int32)
PROBABILITIES = np.array(
    [
        [0.9, 0.1, 0, 0, 0, 0, 0],  # first
        [0.5, 0.4, 0.1, 0, 0, 0, 0],  # second
        [0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0],  # last
        [0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.0],  # first
    ],
    np.float32,
)


def split_of(labels: NDArray[np.int32]) -> Split:
    """Each image's first pixel holds its row."""
    images = np.zeros((len(labels), 64, 64, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Split(images=images, labels=labels)


def looked_up(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return PROBABILITIES[images[:, 0, 0, 0]]


def test_top1_top5_and_loss_are_counted() -> None:
    counts = count(PROBABILITIES, LABELS)
    assert (counts.images, counts.top1, counts.top5) == (4, 2, 3)
    expected = -np.log([0.9, 0.4, 1e-12, 0.5]).sum()
    assert counts.loss_sum == pytest.approx(expected, rel=1e-6)


def test_a_model_that_says_the_same_of_all_classes_gets_no_credit_for_it() -> None:
    even = np.full((10, 10), 0.1, np.float32)
    counts = count(even, np.arange(10, dtype=np.int32))
    assert (counts.top1, counts.top5) == (1, 5)


def test_nan_is_never_right() -> None:
    nothing = np.full((3, 10), np.nan, np.float32)
    assert count(nothing, np.array([1, 2, 3], np.int32)).top1 == 0


def test_the_whole_split_is_evaluated(bars: RecordedBars) -> None:
    counts = evaluate(looked_up, split_of(LABELS), bars, title="validation")
    assert counts == count(PROBABILITIES, LABELS)
    assert bars.bars[0].done == bars.bars[0].total == 4


def test_ranks_together_count_what_one_counts() -> None:
    split = split_of(np.arange(23, dtype=np.int32))
    shares = [
        [
            int(label)
            for batch in in_batches(split, batch_size=4, index=i, ranks=3)
            for label in batch.labels
        ]
        for i in range(3)
    ]
    assert sorted(label for share in shares for label in share) == list(range(23))
    assert Counts(2, 1.0, 1, 2) + Counts(3, 2.0, 0, 1) == Counts(5, 3.0, 1, 3)


def test_an_evaluation_that_is_told_to_stop_has_no_result(bars: RecordedBars) -> None:
    split = split_of(LABELS)
    assert evaluate(looked_up, split, bars, title="x", should_stop=lambda: True) is None


def shifted(by: float) -> NDArray[np.float32]:
    changed = PROBABILITIES.copy()
    changed[0, 0] += by
    return changed


def test_variants_that_compute_the_same_agree(bars: RecordedBars) -> None:
    comparison = compare(looked_up, looked_up, split_of(LABELS), bars)
    check_agreement(comparison)
    assert comparison.max_difference == 0.0
    assert comparison.reference == comparison.candidate
    assert comparison.reference.top1 == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [shifted(-0.01), shifted(float("nan")), PROBABILITIES[:, ::-1]])
def test_variants_that_differ_are_refused(bars: RecordedBars, wrong: NDArray[np.float32]) -> None:
    def other(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return wrong[images[:, 0, 0, 0]]

    comparison = compare(looked_up, other, split_of(LABELS), bars)
    with pytest.raises(ExportError, match="disagree"):
        check_agreement(comparison)


def test_classes_that_are_level_may_change_places_by_rounding(bars: RecordedBars) -> None:
    level = np.full_like(PROBABILITIES, 1 / PROBABILITIES.shape[1])
    nudged = level.copy()
    nudged[:, -1] += 1e-7

    comparison = compare(
        lambda images: level[images[:, 0, 0, 0]],
        lambda images: nudged[images[:, 0, 0, 0]],
        split_of(LABELS),
        bars,
    )

    check_agreement(comparison)
    assert comparison.agreement == 1.0
