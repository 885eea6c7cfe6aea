"""A run that ends with a temperature and variants: each is measured, published and checkable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_store import SelfTest, open_store
from tests.training.fakes import RecordedBars
from tests.training.running import said, small_network, training
from training.data.generate import GeneratedSize, generate
from training.evaluation.variants import open_onnx
from training.run.folder import RunFolder
from training.self_test import known_images

FILES = ["saved_model.pb", "model.onnx", "model.int8.onnx", "model.fp16.onnx"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_a_run_ends_with_a_temperature_and_with_variants_that_are_published(
    tmp_path: Path,
) -> None:
    data = generate(
        tmp_path / "data", GeneratedSize(train_per_class=4, val_per_class=1), RecordedBars()
    )
    run, store = tmp_path / "run", f"file://{tmp_path}/shelf"
    options = ["--holdout", "0.25", "--calibrate", "--variants", "int8,fp16", "--store", store]
    output = said(tmp_path, *training(run, data, *options), environment=small_network())
    result = RunFolder(run).result()
    assert result is not None
    assert list(result.variants) == FILES
    assert result.temperature is not None
    assert result.temperature > 0
    manifest = open_store(store).manifest("resnet50", 1)
    facts = manifest.lineage.hyperparameters
    assert (facts["temperature"], facts["holdout"]) == (result.temperature, 0.25)
    assert facts["int8"]["images"] > 0
    assert isinstance(manifest.self_test, SelfTest)
    for file, scores in result.variants.items():
        assert f"{file}: top-1 {scores.top1:.2%}" in output
        assert manifest.metrics[file]["calibration_error"] == scores.calibration_error
        assert manifest.find(file).size > 0
    for file, known in manifest.self_test.answers.items():
        answers = open_onnx(run / "export" / file)(known_images())
        expected = np.frombuffer(known.probabilities, "<f4").reshape(answers.shape)
        np.testing.assert_allclose(answers, expected, atol=1e-6)
