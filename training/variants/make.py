"""Variants beside the `model.onnx` of a folder, each with what it reaches on validation images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.prepared import PreparedData
from training.evaluation.evaluate import Scores
from training.evaluation.scorecard import measure, scores_of
from training.evaluation.variants import open_onnx
from training.progress import Bars
from training.signature import ONNX
from training.variants.calibration_images import calibration_images
from training.variants.fp16 import halve
from training.variants.int8 import quantize
from training.variants.settings import Quantization, VariantName, file_of


def make_variants(
    names: Sequence[VariantName],
    folder: Path,
    data: PreparedData,
    outputs: NDArray[np.int32],
    bars: Bars,
    *,
    quantization: Quantization,
    holdout: float,
) -> dict[str, Scores]:
    """Write variants of the folder's `model.onnx`, and return their scores by file.

    Label i of the data means the output `outputs[i]`; `holdout` is the part of the training images
    that the network wasn't trained on. Raises ExportError for a network that has no such variant,
    or whose variant answers NaN.
    """
    found = {}
    for name in names:
        file = folder / file_of(name)
        _make(name, file, data, bars, quantization=quantization, holdout=holdout)
        found[file.name] = measure_onnx(file, data, outputs, bars)
    return found


def measure_onnx(file: Path, data: PreparedData, outputs: NDArray[np.int32], bars: Bars) -> Scores:
    """Return the scores of an ONNX file on the validation images. Raises ExportError."""
    title = f"evaluating {file.name}"
    predictions, _ = measure(open_onnx(file), data.val, outputs, bars, title=title)
    return scores_of(predictions)


def _make(
    name: VariantName,
    target: Path,
    data: PreparedData,
    bars: Bars,
    *,
    quantization: Quantization,
    holdout: float,
) -> None:
    source = target.with_name(ONNX)
    partial = target.with_name(f"{target.name}.partial")
    try:
        if name == "int8":
            images = calibration_images(
                data.train, quantization.images, seed=quantization.seed, holdout=holdout
            )
            quantize(source, partial, images, quantization, bars)
        else:
            halve(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
