"""Batches as `tf.data`: prepared ahead, in order, while the model computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from training.backend import tf
from training.data.batches import Batches

_AHEAD = 4
_PARALLEL = 2


def training_dataset(batches: Batches, *, first_step: int, last_step: int) -> Any:
    """Return a dataset of (images uint8 [B, 64, 64, 3], labels int32 [B]).

    One element a step, from `first_step` up to but without `last_step`.
    """

    def load(step: np.int64) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        batch = batches.at(int(step))
        return batch.images, batch.labels

    def element(step: Any) -> Any:
        images, labels = tf.numpy_function(load, [step], (tf.uint8, tf.int32), stateful=False)
        return tf.ensure_shape(images, (None, *IMAGE_SHAPE)), tf.ensure_shape(labels, (None,))

    steps = tf.data.Dataset.range(first_step, last_step)
    return steps.map(element, num_parallel_calls=_PARALLEL, deterministic=True).prefetch(_AHEAD)
