"""A part of a split in which each class has its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_rows(
    labels: NDArray[np.int32], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return `count` different rows of `labels` [N], in ascending order; all where there are fewer.

    Classes have equally many rows, or one more than others, until a class has no more of them.
    """
    order = generator.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    _, first, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    round_of = np.arange(len(labels)) - np.repeat(first, sizes)
    # Shuffled again, so that a last round that isn't whole favours no class.
    again = generator.permutation(len(labels))
    chosen = again[np.argsort(round_of[again], kind="stable")][:count]
    rows: NDArray[np.int64] = np.sort(by_class[chosen])
    return rows
