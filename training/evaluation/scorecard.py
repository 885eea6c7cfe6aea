"""What an evaluation knows beyond its means: classes one by one, and how sure the model is."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.data.layout import ClassName
from training.data.prepared import Split
from training.errors import DataError, ExportError
from training.evaluation.evaluate import SMALLEST, Predict, Scores, in_batches
from training.evaluation.predictions import Collector, Predictions
from training.progress import Bars

BINS = 15
_SHOWN = 3
_SHORTEST_S = 1e-9


class ClassScore(msgspec.Struct, frozen=True):
    """One class of the data: its images and the parts guessed right, None of no images."""

    wnid: str
    label: str
    images: int
    top1: float | None
    top5: float | None


class Scorecard(msgspec.Struct, frozen=True):
    """A model on a data set: see `Scores` and `expected_calibration_error`."""

    images: int
    loss: float
    top1: float
    top5: float
    calibration_error: float
    classes: tuple[ClassScore, ...]


def outputs_of(known: tuple[ClassName, ...], data: tuple[ClassName, ...]) -> NDArray[np.int32]:
    """Return for each class of the data the model's output that means it, int32 [classes].

    Classes are matched by WordNet id, or by name where the model's have none; the order doesn't
    matter, and the model may know more. Raises DataError for classes that it doesn't know: it
    could never guess them.
    """
    index = {item.wnid or item.label: number for number, item in enumerate(known)}
    found = [index.get(item.wnid, index.get(item.label)) for item in data]
    unknown = [item for item, output in zip(data, found, strict=True) if output is None]
    if unknown:
        shown = ", ".join(f"{item.wnid} ({item.label})" for item in unknown[:_SHOWN])
        raise DataError(
            f"{len(unknown)} of the data's {len(data)} classes are none of the model's {len(known)}"
            f", such as {shown}; give data of classes that it was trained on"
        )
    return np.array(found, np.int32)


def expected_calibration_error(
    confidences: NDArray[np.float32], right: NDArray[np.bool_], *, bins: int = BINS
) -> float:
    """Return the ECE of guesses: how far, on average, confidence is from accuracy, 0 to 1.

    The sum over equally wide bins of confidence (m-1)/M < c ≤ m/M of |B|/n · |acc(B) - conf(B)|
    (Guo et al. 2017, arXiv:1706.04599, equation 3, with their M = 15). `confidences` [N] are the
    probabilities of the classes guessed, `right` [N] says which guesses were; NaN counts as 0.
    """
    if not len(confidences):
        return 0.0
    values = np.nan_to_num(confidences.astype(np.float64))
    place = np.clip(np.ceil(values * bins).astype(np.int64) - 1, 0, bins - 1)
    sure = np.bincount(place, weights=values, minlength=bins)
    correct = np.bincount(place, weights=right, minlength=bins)
    return float(np.abs(correct - sure).sum() / len(values))


def measure(
    predict: Predict,
    split: Split,
    outputs: NDArray[np.int32],
    bars: Bars,
    *,
    title: str,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Predictions, float]:
    """Return the predictions for a split whose label i means the output `outputs[i]`.

    The number is images a second of the model alone, after a first call that may compile. Raises
    ExportError for a model that answers NaN.
    """
    collector, seconds = Collector(), 0.0
    predict(split.images[:1])
    with bars.open(title, total=len(split), unit="images") as bar:
        for batch in in_batches(split):
            began = clock()
            probabilities = predict(batch.images)
            seconds += clock() - began
            if not np.isfinite(probabilities).all():
                raise ExportError(f"{title}: answers NaN or infinity for some images")
            collector.add(probabilities, outputs[batch.labels])
            bar.advance(len(batch.labels))
    return collector.predictions(), len(split) / max(seconds, _SHORTEST_S)


def scores_of(predictions: Predictions) -> Scores:
    """Return the scores over all images of the predictions, calibration error included."""
    own = np.maximum(predictions.own.astype(np.float64), SMALLEST)
    return Scores(
        images=len(predictions),
        loss=float(-np.log(own).mean()),
        top1=float(predictions.right.mean()),
        top5=float(predictions.within_best.mean()),
        calibration_error=expected_calibration_error(predictions.shares[:, 0], predictions.right),
    )


def score(
    predictions: Predictions, classes: tuple[ClassName, ...], outputs: NDArray[np.int32]
) -> Scorecard:
    """Return the scores of predictions whose label `outputs[i]` is `classes[i]`."""
    right, among_best = predictions.right, predictions.within_best
    scores = scores_of(predictions)
    return Scorecard(
        images=scores.images,
        loss=scores.loss,
        top1=scores.top1,
        top5=scores.top5,
        calibration_error=expected_calibration_error(predictions.shares[:, 0], right),
        classes=tuple(
            _class_score(item, predictions.labels == output, right, among_best)
            for item, output in zip(classes, outputs, strict=True)
        ),
    )


def _class_score(
    item: ClassName,
    chosen: NDArray[np.bool_],
    right: NDArray[np.bool_],
    among_best: NDArray[np.bool_],
) -> ClassScore:
    images = int(chosen.sum())
    return ClassScore(
        wnid=item.wnid,
        label=item.label,
        images=images,
        top1=float(right[chosen].mean()) if images else None,
        top5=float(among_best[chosen].mean()) if images else None,
    )
