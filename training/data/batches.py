"""Which images a step trains on, and how they are varied and mixed: a function of the step.

Nothing here has state. The batch of step 1,234 is the same whether the run got there in one go or
was killed and resumed twice, and the ranks of a distributed run share one global batch that is the
same as a single process of that batch size would train on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import SIDE
from training.data.augmentation import Augmentation, Stream, augment, draw
from training.data.mixing import Mixing, draw_mixing
from training.data.prepared import Split
from training.data.resizing import shrink

__all__ = ["Augmentation", "Batch", "Batches", "TrainingBatch"]


class Batch(msgspec.Struct, frozen=True):
    """Images uint8 [B, 64, 64, 3] and labels int32 [B]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]


class TrainingBatch(Batch, frozen=True):
    """Images uint8 [B, S, S, 3], of the side that the step has.

    An image is of its label's class by its share, and of its partner's class by the rest.

    `partners` int32 [B] and `shares` float32 [B]; shares are 1 where nothing was mixed.
    """

    partners: NDArray[np.int32]
    shares: NDArray[np.float32]


class Batches:
    """The training batches of one rank: `index` of `count`, `batch_size` images each.

    Together they are the `global_batch`, or all of it but the few images that don't divide evenly.
    With `among`, only the images of these rows of the split are trained on. `side_at` says how
    large the images of a step are, up to 64.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        index: int = 0,
        count: int = 1,
        global_batch: int | None = None,
        among: NDArray[np.int64] | None = None,
        side_at: Callable[[int], int] = lambda _: SIDE,
    ) -> None:
        self._side_at = side_at
        self._split = split
        self._among = np.arange(len(split)) if among is None else among
        self._batch_size = batch_size
        self._global_batch = global_batch or batch_size * count
        self._seed = seed
        self._augmentation = augmentation
        self._first_row = index * batch_size
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)

    @property
    def steps_per_pass(self) -> int:
        """Return the steps in which every image is seen once; the same on every rank.

        What doesn't fill a last global batch is left out of that pass, other images each time.
        """
        return len(self._among) // self._global_batch

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return which images of the split the global batch of `step` has, int64 [B]."""
        passed, place = divmod(step, self.steps_per_pass)
        start = place * self._global_batch
        return self._order(passed)[start : start + self._global_batch]

    def at(self, step: int) -> TrainingBatch:
        """Return the batch of `step`, counted from 0 over the whole run."""
        rows = self.rows(step)
        mine = np.arange(self._first_row, self._first_row + self._batch_size)
        labels = self._split.labels[rows]
        mixing = draw_mixing(self._augmentation, len(rows), seed=self._seed, step=step)
        if mixing is None:
            images, partners = self._augmented(rows, mine, step), mine
            shares = np.ones(len(mine), np.float32)
        else:
            mixing = mixing.of(mine)
            images = self._mixed(rows, mine, mixing, step)
            partners, shares = mixing.partners, mixing.shares
        images = shrink(images, self._side_at(step))
        return TrainingBatch(
            images=images, labels=labels[mine], partners=labels[partners], shares=shares
        )

    def _shuffled(self, passed: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self._seed, Stream.SHUFFLE, passed))
        return self._among[generator.permutation(len(self._among))]

    def _augmented(
        self, rows: NDArray[np.int64], places: NDArray[np.int64], step: int
    ) -> NDArray[np.uint8]:
        """Return the images at these places of the global batch, which has these rows."""
        draws = draw(self._augmentation, len(rows), seed=self._seed, step=step)
        padding = self._augmentation.crop_padding
        return augment(self._split.images, rows[places], padding, draws.of(places))

    def _mixed(
        self, rows: NDArray[np.int64], mine: NDArray[np.int64], mixing: Mixing, step: int
    ) -> NDArray[np.uint8]:
        """Return my images mixed with their partners, some of which may be other ranks' images."""
        needed, found = np.unique(np.concatenate([mine, mixing.partners]), return_inverse=True)
        images = self._augmented(rows, needed, step)
        return mixing.mix(images, found[: len(mine)], found[len(mine) :])
