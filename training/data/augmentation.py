"""How single training images are varied: crop, flip, colour and erasing; drawn, then carried out.

What is drawn for the images of a step is a function of the seed and the step, and each option has
random numbers of its own: turning one on or off changes nothing in what the others draw.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import CHANNELS, IMAGE_SHAPE, SIDE
from training.data.boxes import Boxes
from training.data.colour import jitter

# As many images as stay in a core's cache while they are worked on.
_CHUNK = 8
# Area and ratio of height to width of an erased box, of Zhong et al. 2017 (arXiv:1708.04896).
_ERASED_AREA = (0.02, 0.33)
_ERASED_RATIO = (0.3, 3.3)
# The mean colour of ImageNet's training images.
_ERASED_COLOUR = (124, 116, 104)


class Stream(IntEnum):
    """Which random numbers of a seed: a new use gets a new stream, so that the others stay."""

    SHUFFLE = 0
    CROP_AND_FLIP = 1
    COLOUR = 2
    ERASE = 3
    MIX = 4


class Augmentation(msgspec.Struct, frozen=True):
    """What is drawn for each training image; zero or False leaves an option out.

    `crop_padding`: pixels an image may be shifted, what comes in at its edges being reflected.
    `flip`: mirror half of the images.
    `colour`: brightness, contrast and saturation are multiplied by factors from 1 - colour to
    1 + colour; see `training.data.colour`.
    `erase`: the part of the images in which a box is painted over.
    `mixup`, `cutmix`: alpha of the Beta distribution that shares are drawn from; see
    `training.data.mixing`.
    """

    crop_padding: int = 4
    flip: bool = True
    colour: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


class Draws(msgspec.Struct, frozen=True):
    """What was drawn for N images.

    Crop offsets int64 [N, 2] (row, column; `crop_padding` in both leaves the image in place),
    flips bool [N], factors of brightness, contrast and saturation float32 [N, 3], and boxes to
    erase, which may be empty.
    """

    offsets: NDArray[np.int64]
    flips: NDArray[np.bool_]
    factors: NDArray[np.float32] | None
    erased: Boxes | None

    def of(self, places: NDArray[np.int64]) -> Draws:
        """Return those of the images at these places."""
        return Draws(
            self.offsets[places],
            self.flips[places],
            None if self.factors is None else self.factors[places],
            None if self.erased is None else self.erased.of(places),
        )


def draw(augmentation: Augmentation, count: int, *, seed: int, step: int) -> Draws:
    """Return what happens to the `count` images of the global batch of `step`."""
    generator = np.random.default_rng((seed, Stream.CROP_AND_FLIP, step))
    offsets = generator.integers(0, 2 * augmentation.crop_padding + 1, (count, 2))
    flips = generator.random(count) < (0.5 if augmentation.flip else 0.0)
    factors = None
    if augmentation.colour:
        generator = np.random.default_rng((seed, Stream.COLOUR, step))
        spread = generator.uniform(-augmentation.colour, augmentation.colour, (count, 3))
        factors = (1.0 + spread).astype(np.float32)
    erased = None
    if augmentation.erase:
        generator = np.random.default_rng((seed, Stream.ERASE, step))
        erased = _draw_erased(augmentation.erase, count, generator)
    return Draws(offsets, flips, factors, erased)


def augment(
    images: NDArray[np.uint8], rows: NDArray[np.int64], padding: int, draws: Draws
) -> NDArray[np.uint8]:
    """Return uint8 [N, 64, 64, 3]: `images` uint8 [M, 64, 64, 3] at N rows, with what was drawn.

    `padding` is the `crop_padding` that the offsets were drawn for.
    """
    result = np.empty((len(rows), *IMAGE_SHAPE), np.uint8)
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        offsets, flips = draws.offsets[part], draws.flips[part]
        if draws.factors is None:
            crop_and_flip(images[rows[part]], padding, offsets, flips, result[part])
        else:
            planes = np.empty((len(flips), CHANNELS, SIDE, SIDE), np.uint8)
            pixels_last = planes.transpose(0, 2, 3, 1)
            crop_and_flip(images[rows[part]], padding, offsets, flips, pixels_last)
            jitter(planes, draws.factors[part], result[part])
    if draws.erased is not None:
        draws.erased.paint(result, _ERASED_COLOUR)
    return result


def crop_and_flip(
    images: NDArray[np.uint8],
    padding: int,
    offsets: NDArray[np.int64],
    flips: NDArray[np.bool_],
    out: NDArray[np.uint8],
) -> None:
    """Write to `out` [N, 64, 64, 3] each image padded by reflection, cropped, perhaps mirrored."""
    edge = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(images, edge, mode="reflect") if padding else images
    places = offsets.tolist()
    for target, image, (top, left), flip in zip(out, padded, places, flips.tolist(), strict=True):
        window = image[top : top + SIDE, left : left + SIDE]
        if not flip:
            target[...] = window
            continue
        # One channel at a time: numpy copies long strided rows faster than pixels of 3 bytes.
        for channel in range(CHANNELS):
            target[..., channel] = window[:, ::-1, channel]


def _draw_erased(part: float, count: int, generator: np.random.Generator) -> Boxes:
    chosen = generator.random(count) < part
    area = SIDE * SIDE * generator.uniform(*_ERASED_AREA, count)
    low, high = _ERASED_RATIO
    ratio = np.exp(generator.uniform(np.log(low), np.log(high), count))
    place = generator.random((count, 2))
    return Boxes.placed(
        height=np.where(chosen, np.sqrt(area * ratio), 0.0),
        width=np.where(chosen, np.sqrt(area / ratio), 0.0),
        place=place,
    )
