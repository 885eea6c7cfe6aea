from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes import RecordedBars
from training.data.prepared import Split
from training.errors import RunFolderError
from training.evaluation.evaluate import count
from training.evaluation.predictions import (
    Collector,
    Predictions,
    predict_all,
    read_predictions,
    write_predictions,
)

RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.dirichlet(np.ones(7), 600).astype(np.float32)
LABELS = RANDOM.integers(0, 7, 600).astype(np.int32)


def collected() -> Predictions:
    collector = Collector()
    collector.add(PROBABILITIES[:250], LABELS[:250])
    collector.add(PROBABILITIES[250:], LABELS[250:])
    return collector.predictions()


def test_predictions_hold_the_best_classes_and_the_own_one() -> None:
    found = collected()
    assert found.best.shape == found.shares.shape == (600, 5)
    np.testing.assert_array_equal(found.best[:, 0], PROBABILITIES.argmax(axis=1))
    np.testing.assert_array_equal(found.shares, -np.sort(-PROBABILITIES, axis=1)[:, :5])
    np.testing.assert_array_equal(found.own, PROBABILITIES[np.arange(600), LABELS])


def test_predictions_say_the_same_top_1_and_top_5_as_the_evaluation() -> None:
    ties = np.full((4, 7), 1 / 7, np.float32)
    labels = np.array([0, 4, 5, 6], np.int32)
    for probabilities, truth in ((PROBABILITIES, LABELS), (ties, labels)):
        collector = Collector()
        collector.add(probabilities, truth)
        found, counts = collector.predictions(), count(probabilities, truth)
        assert int(found.right.sum()) == counts.top1
        assert int((found.best == truth[:, None]).sum()) == counts.top5


def test_a_model_of_fewer_than_five_classes_has_all_of_them() -> None:
    collector = Collector()
    collector.add(np.array([[0.25, 0.75]], np.float32), np.array([0], np.int32))
    assert collector.predictions().best.tolist() == [[1, 0]]


def test_a_split_is_predicted_image_by_image_in_its_order(bars: RecordedBars) -> None:
    images = np.zeros((600, 64, 64, 3), np.uint8)
    images[:, 0, 0, 0] = LABELS
    split = Split(images=images, labels=LABELS)
    found = predict_all(
        lambda batch: np.eye(7, dtype=np.float32)[batch[:, 0, 0, 0]], split, bars, title="x"
    )
    assert found.right.all()
    assert bars.bars[0].done == 600


def test_predictions_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    path, written = tmp_path / "predictions.npz", collected()
    assert read_predictions(path) is None
    write_predictions(path, written)
    read = read_predictions(path)
    assert read is not None
    for name in Predictions.__struct_fields__:
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert [file.name for file in tmp_path.iterdir()] == ["predictions.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive at all"])
def test_damaged_predictions_are_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictions.npz"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"predictions\.npz: damaged .* delete it"):
        read_predictions(path)


def test_predictions_that_were_cut_off_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    write_predictions(path, collected())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RunFolderError, match="damaged"):
        read_predictions(path)
