"""Which classes a model knows, which it confuses, and whether its probabilities can be believed.

Pure: predictions in, facts out.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
import numpy as np

from training.evaluation.predictions import Predictions

BINS = 10


class ClassScore(msgspec.Struct, frozen=True):
    """How many of a class's images were right, and what the others were taken for most often.

    `own` is the mean probability that the class had in its images.
    """

    index: int
    images: int
    right: int
    own: float
    taken_for: int | None
    taken_for_count: int

    @property
    def top1(self) -> float:
        """Return the part that was right; 0 for a class without images."""
        return self.right / self.images if self.images else 0.0


class Pair(msgspec.Struct, frozen=True):
    """Two classes and the images of one that were taken for the other, surest mistake first."""

    first: int
    second: int
    first_as_second: tuple[int, ...]
    second_as_first: tuple[int, ...]

    @property
    def count(self) -> int:
        """Return the mistakes in both directions."""
        return len(self.first_as_second) + len(self.second_as_first)


class Bin(msgspec.Struct, frozen=True):
    """The images whose first guess had a probability from `low` up to `high`."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def class_scores(predictions: Predictions, class_count: int) -> tuple[ClassScore, ...]:
    """Return one score for each class, in the order of outputs."""
    images = np.bincount(predictions.labels, minlength=class_count)
    right = np.bincount(predictions.labels[predictions.right], minlength=class_count)
    own = np.bincount(predictions.labels, weights=predictions.own, minlength=class_count)
    mistakes: dict[int, Counter[int]] = defaultdict(Counter)
    for index in np.flatnonzero(~predictions.right):
        mistakes[int(predictions.labels[index])][int(predictions.best[index, 0])] += 1
    return tuple(
        ClassScore(
            index,
            int(images[index]),
            int(right[index]),
            float(own[index]) / max(1, int(images[index])),
            *_commonest(mistakes[index]),
        )
        for index in range(class_count)
    )


def _commonest(counts: Counter[int]) -> tuple[int | None, int]:
    if not counts:
        return None, 0
    return min(counts.items(), key=lambda item: (-item[1], item[0]))


def ranked(scores: tuple[ClassScore, ...]) -> list[ClassScore]:
    """Return the classes that have images, best first; of equal ones, the surer one first."""
    with_images = (each for each in scores if each.images)
    return sorted(with_images, key=lambda each: (-each.top1, -each.own))


def confused_pairs(predictions: Predictions, limit: int) -> list[Pair]:
    """Return the pairs with the most mistakes, both directions together.

    `first` is the class that is taken for the other more often.
    """
    mistakes: dict[tuple[int, int], list[int]] = defaultdict(list)
    wrong = np.flatnonzero(~predictions.right)
    for index in wrong[np.argsort(-predictions.shares[wrong, 0], kind="stable")]:
        truth, guess = int(predictions.labels[index]), int(predictions.best[index, 0])
        mistakes[truth, guess].append(int(index))
    pairs = []
    for first, second in {(min(pair), max(pair)) for pair in mistakes}:
        there, back = mistakes.get((first, second), []), mistakes.get((second, first), [])
        if len(back) > len(there):
            first, second, there, back = second, first, back, there  # noqa: PLW2901
        pairs.append(Pair(first, second, tuple(there), tuple(back)))
    return sorted(pairs, key=lambda pair: (-pair.count, pair.first, pair.second))[:limit]


def surest_mistakes(predictions: Predictions, limit: int) -> list[int]:
    """Return the images whose wrong first guess had the highest probability."""
    wrong = np.flatnonzero(~predictions.right)
    order = np.argsort(-predictions.shares[wrong, 0], kind="stable")
    return [int(index) for index in wrong[order[:limit]]]


def typical(predictions: Predictions, index: int, limit: int = 1) -> list[int]:
    """Return the images of a class in which the model sees that class best."""
    own = np.flatnonzero(predictions.labels == index)
    order = np.argsort(-predictions.own[own], kind="stable")
    return [int(image) for image in own[order[:limit]]]


def reliability(predictions: Predictions, bins: int = BINS) -> list[Bin]:
    """Return the images by the probability of their first guess, in bins of equal width."""
    confidence = predictions.shares[:, 0].astype(np.float64)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            images=int(members.sum()),
            confidence=float(confidence[members].mean()) if members.any() else 0.0,
            accuracy=float(predictions.right[members].mean()) if members.any() else 0.0,
        )
        for number in range(bins)
        for members in [which == number]
    ]
