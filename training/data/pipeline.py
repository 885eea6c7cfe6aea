"""Batches as `tf.data`: prepared ahead, in order, while the model computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging import CHANNELS
from training.backend import tf
from training.data.batches import Batches
from training.outlook.machine import usable_cores

# Batches in preparation at once; more than a few threads only wait for Python's lock.
_MOST_PARALLEL = 8
_AHEAD_PER_THREAD = 2


def elements_ahead() -> int:
    """Return how many batches are ready or in preparation while a step trains."""
    return _parallel() * (1 + _AHEAD_PER_THREAD)


def training_dataset(batches: Batches, *, first_step: int, last_step: int) -> Any:
    """Return a dataset of the fields of `TrainingBatch`: images, labels, partners, shares.

    One element a step, from `first_step` up to but without `last_step`.
    """

    def load(step: np.int64) -> tuple[NDArray[np.generic], ...]:
        batch = batches.at(int(step))
        return batch.images, batch.labels, batch.partners, batch.shares

    def element(step: Any) -> Any:
        kinds = (tf.uint8, tf.int32, tf.int32, tf.float32)
        images, *targets = tf.numpy_function(load, [step], kinds, stateful=False)
        shaped = [tf.ensure_shape(target, (None,)) for target in targets]
        return tf.ensure_shape(images, (None, None, None, CHANNELS)), *shaped

    parallel = _parallel()
    steps = tf.data.Dataset.range(first_step, last_step)
    elements = steps.map(element, num_parallel_calls=parallel, deterministic=True)
    return elements.prefetch(_AHEAD_PER_THREAD * parallel)


def _parallel() -> int:
    return min(_MOST_PARALLEL, usable_cores())
