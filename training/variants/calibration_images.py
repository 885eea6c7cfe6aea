"""The training images by which the ranges of int8 are found, as ONNX Runtime asks for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader

from training.data.holdout import trained_rows
from training.data.prepared import Split
from training.data.stratified import stratified_rows
from training.progress import Bar
from training.signature import INPUT

# All that the network computes for a batch is held in memory until it is counted.
BATCH_SIZE = 8


def calibration_images(
    split: Split, count: int, *, seed: int, holdout: float = 0.0
) -> NDArray[np.uint8]:
    """Return images uint8 [M, 64, 64, 3] of all classes alike: `count`, cut to whole batches.

    None of the part that is held out of training: recipes are compared on those. A split of less
    than a batch is returned as it is.
    """
    among = trained_rows(split, holdout)
    rows = among[stratified_rows(split.labels[among], count, np.random.default_rng(seed))]
    if len(rows) > BATCH_SIZE:
        rows = rows[: len(rows) // BATCH_SIZE * BATCH_SIZE]
    return np.ascontiguousarray(split.images[rows])


class CalibrationImages(CalibrationDataReader):
    """Hands out one batch for each range that is set, and moves the bar on."""

    def __init__(self, images: NDArray[np.uint8], bar: Bar) -> None:
        self._images = images
        self._bar = bar
        self._range: slice | None = None

    @property
    def stride(self) -> int:
        """Return how many images a range has; so many that they divide evenly."""
        return min(BATCH_SIZE, len(self._images))

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Hand out the images of this range next."""
        self._range = slice(start_index, end_index)

    def get_next(self) -> dict[str, Any] | None:
        """Return the range's images, and None after that."""
        if self._range is None:
            return None
        batch, self._range = self._images[self._range], None
        self._bar.advance(len(batch))
        return {INPUT: batch}
