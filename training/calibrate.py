"""The temperature of a trained model, fitted on images that it wasn't trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.data.prepared import Split
from training.evaluation.evaluate import in_batches
from training.evaluation.scorecard import expected_calibration_error
from training.evaluation.temperature import at_temperature, fit_temperature
from training.progress import Bars
from training.trainee import predictor


def calibrate(model: Any, held_out: Split, bars: Bars) -> float:
    """Return the temperature that fits the held-out images best, and say what it changes there."""
    predict = predictor(model)
    answers = []
    with bars.open("fitting the temperature", total=len(held_out), unit="images") as bar:
        for batch in in_batches(held_out):
            answers.append(predict(batch.images))
            bar.advance(len(batch.labels))
    probabilities = np.concatenate(answers)
    temperature = fit_temperature(probabilities, held_out.labels)
    right = probabilities.argmax(axis=1) == held_out.labels
    before, after = (
        expected_calibration_error(found.max(axis=1), right)
        for found in (probabilities, at_temperature(probabilities, temperature))
    )
    bars.say(
        f"temperature {temperature:.3f}: calibration error {before:.2%} → {after:.2%} on "
        f"{len(held_out):,} held-out images"
    )
    return temperature
