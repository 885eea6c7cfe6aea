"""Training images that a run doesn't train on: what recipes and the temperature are chosen by.

Choosing by the validation images would make their accuracy a promise that other images don't keep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.data.prepared import Split
from training.data.stratified import stratified_rows

# Not the run's seed: runs that are compared are to hold the same images out.
_SEED = 0


def held_out_count(images: int, part: float) -> int:
    """Return how many of so many training images are held out: none for 0, else at least one."""
    return max(1, round(images * part)) if part else 0


def held_out_rows(split: Split, part: float) -> NDArray[np.int64]:
    """Return the rows that are held out, each class's share of them, in ascending order.

    They are the same in every run of the same data and part.
    """
    count = held_out_count(len(split), part)
    return stratified_rows(split.labels, count, np.random.default_rng(_SEED))


def trained_rows(split: Split, part: float) -> NDArray[np.int64]:
    """Return the rows that are trained on: all that aren't held out, in ascending order."""
    return np.setdiff1d(np.arange(len(split)), held_out_rows(split, part), assume_unique=True)


def held_out(split: Split, part: float) -> Split:
    """Return the images that are held out, copied to memory."""
    rows = held_out_rows(split, part)
    return Split(images=split.images[rows], labels=split.labels[rows])
