"""What a version is published with, so that a service knows that it computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.tiny_model import tiny_model, write_version
from training.errors import ExportError
from training.evaluation.compare import MAX_DIFFERENCE
from training.evaluation.variants import open_onnx
from training.self_test import LEAST_REDUCED_TOLERANCE, known_answers, known_images


def test_the_images_are_the_same_every_time() -> None:
    assert known_images().shape == (4, 64, 64, 3)
    assert (known_images() == known_images()).all()


def test_every_variants_own_answers_are_known(tmp_path: Path) -> None:
    folder = write_version(tmp_path, 3)
    onnx.save(tiny_model(4), folder / "model.int8.onnx")
    test = known_answers(folder)
    assert np.frombuffer(test.images, np.uint8).tobytes() == known_images().tobytes()
    assert set(test.answers) == {"model.onnx", "model.int8.onnx"}
    for name, known in test.answers.items():
        answers = np.frombuffer(known.probabilities, "<f4").reshape(4, 200)
        assert np.abs(answers - open_onnx(folder / name)(known_images())).max() < 1e-6
    assert test.answers["model.onnx"].tolerance == MAX_DIFFERENCE
    assert test.answers["model.int8.onnx"].tolerance > LEAST_REDUCED_TOLERANCE


def test_a_model_that_answers_with_no_numbers_is_not_published(tmp_path: Path) -> None:
    folder = write_version(tmp_path, 3)
    broken = tiny_model(3)
    for tensor in broken.graph.initializer:
        if tensor.name == "bias":
            tensor.CopyFrom(
                onnx.numpy_helper.from_array(np.full(200, np.nan, np.float32), tensor.name)
            )
    onnx.save(broken, folder / "model.onnx")
    with pytest.raises(ExportError, match="NaN or infinity; not publishing"):
        known_answers(folder)
