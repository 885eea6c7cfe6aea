"""Which images a step trains on, and how they are cropped and flipped: a function of the step.

Nothing here has state. The batch of step 1,234 is the same whether the run got there in one go or
was killed and resumed twice, and the ranks of a distributed run share one global batch that is the
same as a single process of that batch size would train on.
"""

from __future__ import annotations

import functools

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE, SIDE
from training.data.prepared import Split

_SHUFFLE, _AUGMENT = 0, 1


class Batch(msgspec.Struct, frozen=True):
    """Images uint8 [B, 64, 64, 3] and labels int32 [B]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]


class TrainingBatch(Batch, frozen=True):
    """An image is of its label's class by its share, and of its partner's class by the rest.

    `partners` int32 [B] and `shares` float32 [B]; shares are 1 where nothing was mixed.
    """

    partners: NDArray[np.int32]
    shares: NDArray[np.float32]


class Augmentation(msgspec.Struct, frozen=True):
    """Random crop out of an image padded by `crop_padding` pixels of itself, and random flip."""

    crop_padding: int = 4
    flip: bool = True


class Batches:
    """The training batches of one rank: `index` of `count`, `batch_size` images each."""

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        index: int = 0,
        count: int = 1,
    ) -> None:
        self._split = split
        self._batch_size = batch_size
        self._global_batch = batch_size * count
        self._seed = seed
        self._augmentation = augmentation
        self._first_row = index * batch_size
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)

    @property
    def steps_per_pass(self) -> int:
        """Return the steps in which every image is seen once; the same on every rank.

        What doesn't fill a last global batch is left out of that pass, other images each time.
        """
        return len(self._split) // self._global_batch

    def at(self, step: int) -> TrainingBatch:
        """Return the batch of `step`, counted from 0 over the whole run."""
        passed, place = divmod(step, self.steps_per_pass)
        start = place * self._global_batch + self._first_row
        rows = self._order(passed)[start : start + self._batch_size]
        draws = self._draws(step)
        images = crop_and_flip(self._split.images[rows], self._augmentation, *draws)
        labels = self._split.labels[rows]
        shares = np.ones(len(labels), np.float32)
        return TrainingBatch(images=images, labels=labels, partners=labels, shares=shares)

    def _shuffled(self, passed: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self._seed, _SHUFFLE, passed))
        return generator.permutation(len(self._split))

    def _draws(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return crop offsets int64 [B, 2] and flips bool [B], drawn for the global batch."""
        generator = np.random.default_rng((self._seed, _AUGMENT, step))
        size, padding = self._global_batch, self._augmentation.crop_padding
        offsets = generator.integers(0, 2 * padding + 1, (size, 2))
        flips = generator.random(size) < (0.5 if self._augmentation.flip else 0.0)
        mine = slice(self._first_row, self._first_row + self._batch_size)
        return offsets[mine], flips[mine]


def crop_and_flip(
    images: NDArray[np.uint8],
    augmentation: Augmentation,
    offsets: NDArray[np.int64],
    flips: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Return uint8 [B, 64, 64, 3]: each image padded by reflection, cropped at its offset, flipped.

    An offset of `crop_padding` in both directions leaves the image where it was.
    """
    padding = augmentation.crop_padding
    edge = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(images, edge, mode="reflect") if padding else images
    result = np.empty((len(images), *IMAGE_SHAPE), np.uint8)
    for target, image, (top, left), flip in zip(result, padded, offsets, flips, strict=True):
        window = image[top : top + SIDE, left : left + SIDE]
        target[...] = window[:, ::-1] if flip else window
    return result
