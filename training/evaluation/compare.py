"""Whether two variants of a model compute the same, image by image."""

from __future__ import annotations

import msgspec
import numpy as np

from training.data.prepared import Split
from training.errors import ExportError
from training.evaluation.evaluate import Predict, Scores, in_batches
from training.evaluation.predictions import Collector, Predictions
from training.evaluation.scorecard import scores_of
from training.progress import Bars

# Both compute in float32 and add up in other orders; what was seen is below 1e-5.
MAX_DIFFERENCE = 1e-3
MIN_AGREEMENT = 0.999
# Classes whose probabilities differ by less may change places by rounding alone.
TIE = 1e-5


class Comparison(msgspec.Struct, frozen=True):
    """Largest difference between two probabilities, part of images with the same best class.

    Classes that the reference has level count as the same.
    """

    max_difference: float
    agreement: float
    reference: Scores
    candidate: Scores
    predictions: Predictions


def compare(reference: Predict, candidate: Predict, split: Split, bars: Bars) -> Comparison:
    """Run both on all images of the split; the predictions are the candidate's."""
    ours, theirs = Collector(), Collector()
    difference, agreeing = 0.0, 0
    with bars.open("comparing SavedModel and ONNX", total=len(split), unit="images") as bar:
        for batch in in_batches(split):
            first, second = reference(batch.images), candidate(batch.images)
            ours.add(first, batch.labels)
            theirs.add(second, batch.labels)
            # Unlike max(), this lets NaN through.
            difference = float(np.maximum(difference, np.abs(first - second).max()))
            chosen = np.take_along_axis(first, second.argmax(axis=1, keepdims=True), axis=1)[:, 0]
            agreeing += int((chosen >= first.max(axis=1) - TIE).sum())
            bar.advance(len(batch.labels))
    predictions = theirs.predictions()
    return Comparison(
        max_difference=difference,
        agreement=agreeing / len(split),
        reference=scores_of(ours.predictions()),
        candidate=scores_of(predictions),
        predictions=predictions,
    )


def check_agreement(comparison: Comparison) -> None:
    """Raise ExportError when the variants differ by more than rounding explains."""
    # Written so that a difference that is not a number fails too.
    close = comparison.max_difference <= MAX_DIFFERENCE
    if not close or comparison.agreement < MIN_AGREEMENT:
        raise ExportError(
            f"SavedModel and ONNX disagree: probabilities differ by up to "
            f"{comparison.max_difference:.2g} (allowed {MAX_DIFFERENCE:.2g}) and "
            f"{comparison.agreement:.2%} of the best classes agree (needed {MIN_AGREEMENT:.2%}); "
            "not publishing"
        )
