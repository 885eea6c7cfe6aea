"""Mixup and CutMix: two images of a global batch become one, and so do their targets."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import SIDE
from training.data.augmentation import Augmentation, Stream
from training.data.boxes import Boxes

# Shares are drawn in units of 1/256: then pixels are mixed in whole numbers, and the targets hold
# exactly what was mixed.
_WHOLE = 256
_CHUNK = 8


class Mixing(msgspec.Struct, frozen=True):
    """How each of N images is mixed with the one at `partners` int64 [N] of the global batch.

    `weights` uint16 [N] is the image's own part of each pixel in units of 1/256, and `boxes` come
    from the partner as they are; an image has at most one of both.
    """

    partners: NDArray[np.int64]
    weights: NDArray[np.uint16]
    boxes: Boxes

    @property
    def shares(self) -> NDArray[np.float32]:
        """Return the part float32 [N] of each image that is its own.

        For CutMix it is that of the pixels after its box was cut off at the edges.
        """
        outside = 1.0 - self.boxes.areas / (SIDE * SIDE)
        return (self.weights / _WHOLE * outside).astype(np.float32)

    def of(self, places: NDArray[np.int64]) -> Mixing:
        """Return that of the images at these places; partners count in the global batch still."""
        return Mixing(self.partners[places], self.weights[places], self.boxes.of(places))

    def mix(
        self, images: NDArray[np.uint8], own: NDArray[np.int64], partners: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return uint8 [N, 64, 64, 3]: the images at `own` mixed with those at `partners`.

        Both are int64 [N] and count in `images` uint8 [M, 64, 64, 3].
        """
        result = np.empty((len(own), *images.shape[1:]), np.uint8)
        for first in range(0, len(own), _CHUNK):
            part = slice(first, first + _CHUNK)
            weight = self.weights[part, None, None, None]
            if np.all(weight == _WHOLE):
                result[part] = images[own[part]]
                continue
            # At most 255 · 256 + 128, which uint16 just holds.
            mixed = images[own[part]] * weight
            mixed += images[partners[part]] * (_WHOLE - weight)
            mixed += _WHOLE // 2
            mixed >>= _WHOLE.bit_length() - 1
            result[part] = mixed
        self.boxes.paste(images, partners, result)
        return result


def draw_mixing(augmentation: Augmentation, count: int, *, seed: int, step: int) -> Mixing | None:
    """Return how the `count` images of the global batch of `step` are mixed; None for not at all.

    Each image has a partner from a random permutation of its batch and a share of its own from
    Beta(alpha, alpha). Mixup (Zhang et al. 2017, arXiv:1710.09412, section 2) blends all pixels by
    that share. CutMix (Yun et al. 2019, arXiv:1905.04899, section 3.1 and algorithm A1) takes from
    the partner a box with sides of sqrt(1 - share) around a random pixel, and corrects the share
    to what the box covers inside of the image. With both options, half of the images get one and
    half the other.
    """
    if not augmentation.mixup and not augmentation.cutmix:
        return None
    generator = np.random.default_rng((seed, Stream.MIX, step))
    partners = generator.permutation(count)
    cuts = generator.random(count) < _part_of_cuts(augmentation)
    blend = _shares(augmentation.mixup, count, generator)
    box = _shares(augmentation.cutmix, count, generator)
    centre = generator.integers(0, SIDE, (count, 2))
    side = np.where(cuts, SIDE * np.sqrt(1.0 - box), 0.0)
    weights = np.where(cuts, _WHOLE, np.rint(_WHOLE * blend)).astype(np.uint16)
    return Mixing(partners, weights, Boxes.centred(height=side, width=side, centre=centre))


def _part_of_cuts(augmentation: Augmentation) -> float:
    if augmentation.mixup and augmentation.cutmix:
        return 0.5
    return 1.0 if augmentation.cutmix else 0.0


def _shares(alpha: float, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return shares [N] from Beta(alpha, alpha); ones for an alpha of 0."""
    if not alpha:
        return np.ones(count)
    return generator.beta(alpha, alpha, count)
