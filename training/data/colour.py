"""Random brightness, contrast and saturation, in arithmetic that is the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Luma of ITU-R BT.601, as in torchvision and Pillow.
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)


def jitter(planes: NDArray[np.uint8], factors: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
    """Write `planes` uint8 [N, 3, H, W] with other colours to `out` uint8 [N, H, W, 3].

    `factors` float32 [N, 3] are brightness b, contrast c and saturation s; 1 leaves each as it is.
    The formulas are those of torchvision's ColorJitter, in that order: x·b; then blended with the
    image's mean grey by c; then with its own grey by s. Unlike there, nothing is cut off in
    between, so that the three become one, with the luma g of x and the mean m of g:

        x' = b·c·s·x + b·c·(1 - s)·g + b·(1 - c)·m

    rounded half up and cut off to 0…255. Single operations of float32, none of them fused, round
    alike wherever they run, and the sums for the means are of whole numbers below 2**24.
    """
    count, channels, height, width = planes.shape
    values = planes.reshape(count, channels, height * width).astype(np.float32)
    brightness, contrast, saturation = factors.T
    mean = _grey(values.sum(axis=2)[:, :, None]) / np.float32(height * width)
    both = brightness * contrast
    grey = _grey(values)
    grey *= (both * (1 - saturation))[:, None]
    grey += (brightness * (1 - contrast))[:, None] * mean + np.float32(0.5)
    values *= (both * saturation)[:, None, None]
    values += grey[:, None]
    np.clip(values, 0, 255, out=values)
    changed = values.astype(np.uint8).reshape(planes.shape)
    for channel in range(channels):
        out[..., channel] = changed[:, channel]


def _grey(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the luma [N, P] of [N, 3, P]."""
    grey: NDArray[np.float32] = values[:, 0] * _LUMA[0]
    grey += values[:, 1] * _LUMA[1]
    grey += values[:, 2] * _LUMA[2]
    return grey
