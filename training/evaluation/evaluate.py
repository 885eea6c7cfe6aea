"""Loss, top-1 and top-5 of anything that turns images into probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.data.batches import Batch
from training.data.prepared import Split
from training.progress import Bars

BATCH_SIZE = 250
SMALLEST = 1e-12

# From uint8 [N, 64, 64, 3] to probabilities float32 [N, classes].
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Counts(msgspec.Struct, frozen=True):
    """Sums over images; those of several ranks can be added up."""

    images: int = 0
    loss_sum: float = 0.0
    top1: int = 0
    top5: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sums over both sets of images."""
        return Counts(
            self.images + other.images,
            self.loss_sum + other.loss_sum,
            self.top1 + other.top1,
            self.top5 + other.top5,
        )

    def scores(self) -> Scores:
        """Return the means; of no images at all, zeros."""
        total = max(1, self.images)
        return Scores(
            images=self.images,
            loss=self.loss_sum / total,
            top1=self.top1 / total,
            top5=self.top5 / total,
        )


class Scores(msgspec.Struct, frozen=True):
    """Mean cross-entropy in nats, and the parts of images whose class is first or in five.

    `calibration_error` (see `training.evaluation.scorecard`) is None where it wasn't measured.
    """

    images: int
    loss: float
    top1: float
    top5: float
    calibration_error: float | None = None


def count(probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> Counts:
    """Return the sums for probabilities [N, classes] of images of these labels [N].

    A class counts as guessed k-th best when k-1 others have a higher probability; of equal ones
    the lower index is better; NaN is better than nothing.
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels][:, None]
    later = np.arange(probabilities.shape[1])[None, :] > labels[:, None]
    worse = (probabilities < own) | ((probabilities == own) & later)
    rank = probabilities.shape[1] - 1 - worse.sum(axis=1)
    return Counts(
        images=len(labels),
        loss_sum=float(-np.log(np.maximum(own.astype(np.float64), SMALLEST)).sum()),
        top1=int((rank < 1).sum()),
        top5=int((rank < 5).sum()),
    )


def in_batches(
    split: Split, *, batch_size: int = BATCH_SIZE, index: int = 0, ranks: int = 1
) -> Iterator[Batch]:
    """Yield the images of a split, unchanged; together, the ranks see each of them once."""
    for start in range(index * batch_size, len(split), ranks * batch_size):
        chosen = slice(start, start + batch_size)
        yield Batch(images=split.images[chosen], labels=split.labels[chosen])


def evaluate(
    predict: Predict,
    split: Split,
    bars: Bars,
    *,
    title: str,
    index: int = 0,
    ranks: int = 1,
    should_stop: Callable[[], bool] = lambda: False,
) -> Counts | None:
    """Return the sums over this rank's share of the split; None when told to stop before.

    `should_stop` is asked equally often on every rank.
    """
    counts = Counts()
    mine = list(in_batches(split, index=index, ranks=ranks))
    rounds = -(-len(split) // (BATCH_SIZE * ranks))
    with bars.open(title, total=sum(len(batch.labels) for batch in mine), unit="images") as bar:
        for each in range(rounds):
            if should_stop():
                return None
            if each < len(mine):
                batch = mine[each]
                counts += count(predict(batch.images), batch.labels)
                bar.advance(len(batch.labels), {"top-1": f"{counts.scores().top1:.1%}"})
    return counts
