"""Measures models on the validation images of a data set, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from training.data.prepared import PreparedData
from training.evaluation.candidates import Candidate
from training.evaluation.scorecard import Scorecard, measure, outputs_of, score
from training.progress import Bars


class Evaluation(msgspec.Struct, frozen=True):
    """One model's scores, and how many images a second it alone took on this machine."""

    model: str
    scorecard: Scorecard
    images_per_s: float

    def __str__(self) -> str:
        """Return it as one line."""
        card = self.scorecard
        return (
            f"{self.model}: top-1 {card.top1:.2%}, top-5 {card.top5:.2%}, loss {card.loss:.4f} "
            f"on {card.images:,} validation images, calibration error {card.calibration_error:.2%}"
            f", {self.images_per_s:,.0f} images/s"
        )


def evaluate_all(
    candidates: Sequence[Candidate], data: PreparedData, bars: Bars
) -> list[Evaluation]:
    """Measure each. Raises DataError where the data has classes that a model doesn't know."""
    outputs = [outputs_of(each.classes, data.classes) for each in candidates]
    found = []
    for candidate, chosen in zip(candidates, outputs, strict=True):
        predict = candidate.open()
        title = f"evaluating {candidate.name}"
        predictions, images_per_s = measure(predict, data.val, chosen, bars, title=title)
        card = score(predictions, data.classes, chosen)
        found.append(Evaluation(candidate.name, card, images_per_s))
    return found


def as_json(evaluations: Sequence[Evaluation], data: PreparedData) -> str:
    """Return all of it as JSON: `{"data_digest", "models": [{"model", "scorecard", …}, …]}`."""
    facts = {"data_digest": data.digest, "models": evaluations}
    return msgspec.json.format(msgspec.json.encode(facts)).decode()
