"""Smaller images, the same to the bit on every machine."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from imaging import CHANNELS, SIDE

# Weights are whole numbers of 1/256. Then each sum, of 255 · 256 · 256 at most, is a whole number
# below 2**24: float32 holds it exactly, in whatever order it was added up.
_UNIT = 256
# As many images as stay in a core's cache while they are worked on.
_CHUNK = 8


def shrink(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return uint8 [N, side, side, 3] of uint8 [N, 64, 64, 3]; for 64, the images themselves.

    Bilinear with a filter as wide as the step from pixel to pixel, so that nothing is skipped:
    what Pillow's BILINEAR and `tf.image.resize(…, antialias=True)` do, but for rounding.
    """
    if side == SIDE:
        return images
    result = np.empty((len(images), side, side, CHANNELS), np.uint8)
    for first in range(0, len(images), _CHUNK):
        part = slice(first, first + _CHUNK)
        _shrink(images[part], side, result[part])
    return result


def _shrink(images: NDArray[np.uint8], side: int, out: NDArray[np.uint8]) -> None:
    weights = filter_weights(side)
    count = len(images)
    # [N, 64, 64 · 3] → [N, side, 64 · 3] → [N, side, 3, side]
    rows = weights @ images.reshape(count, SIDE, SIDE * CHANNELS).astype(np.float32)
    planes = rows.reshape(count, side, SIDE, CHANNELS).transpose(0, 1, 3, 2)
    sums = np.ascontiguousarray(planes).reshape(-1, SIDE) @ weights.T
    shrunk = np.floor(sums / np.float32(_UNIT * _UNIT) + np.float32(0.5)).astype(np.uint8)
    out[...] = shrunk.reshape(count, side, CHANNELS, side).transpose(0, 1, 3, 2)


@functools.cache
def filter_weights(side: int) -> NDArray[np.float32]:
    """Return weights [side, 64] in units of 1/256: row i makes pixel i; each sums up to 256."""
    step = SIDE / side
    centres = (np.arange(side) + 0.5) * step
    distances = np.abs(np.arange(SIDE)[None, :] + 0.5 - centres[:, None]) / step
    triangle = np.maximum(0.0, 1.0 - distances)
    exact = _UNIT * triangle / triangle.sum(axis=1, keepdims=True)
    whole = np.floor(exact)
    # What rounding down has lost goes to those that lost most.
    missing = (_UNIT - whole.sum(axis=1)).astype(np.int64)
    order = np.argsort(whole - exact, axis=1, kind="stable")
    for row, count in enumerate(missing):
        whole[row, order[row, :count]] += 1
    weights: NDArray[np.float32] = whole.astype(np.float32)
    return weights
