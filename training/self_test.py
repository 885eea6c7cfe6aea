"""What a service checks a version with: a few images and what each ONNX variant answers to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from model_store import KnownAnswers, SelfTest
from training.data.drawing import all_kinds, draw
from training.errors import ExportError
from training.evaluation.compare import MAX_DIFFERENCE
from training.evaluation.variants import open_onnx
from training.signature import ONNX

DRAWN = 3

# Of a variant in less than float32, hardware decides more: an int8 sum that saturates on one
# processor doesn't on another. Such a variant may be off by what it's off from float32, and more.
LEAST_REDUCED_TOLERANCE = 0.02
REDUCED_FACTOR = 2.0


def known_images() -> NDArray[np.uint8]:
    """Return the images, uint8 [4, 64, 64, 3]: drawn ones and noise, the same for every version."""
    generator = np.random.default_rng(0)
    kinds = all_kinds()
    drawn = [draw(kind, generator)[0] for kind in kinds[:: len(kinds) // DRAWN][:DRAWN]]
    return np.stack([*drawn, generator.integers(0, 256, IMAGE_SHAPE, np.uint8)])


def known_answers(folder: Path) -> SelfTest:
    """Return what every ONNX file of an export answers.

    Raises ExportError for a file that can't be used or doesn't answer with numbers.
    """
    images = known_images()
    answers = {file.name: open_onnx(file)(images) for file in sorted(folder.glob("*.onnx"))}
    for name, found in answers.items():
        if not np.isfinite(found).all():
            raise ExportError(f"{folder / name}: answers with NaN or infinity; not publishing")
    reference = answers.get(ONNX)
    return SelfTest(
        images=images.tobytes(),
        answers={
            name: KnownAnswers(
                probabilities=found.astype("<f4").tobytes(), tolerance=_tolerance(found, reference)
            )
            for name, found in answers.items()
        },
    )


def _tolerance(answers: NDArray[np.float32], reference: NDArray[np.float32] | None) -> float:
    if reference is None or answers is reference:
        return MAX_DIFFERENCE
    distance = float(np.abs(answers - reference).max())
    return max(LEAST_REDUCED_TOLERANCE, REDUCED_FACTOR * distance)
