import numpy as np
import pytest
from numpy.typing import NDArray

from training.evaluation.scorecard import expected_calibration_error
from training.evaluation.temperature import at_temperature, fit_temperature

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(0, 2, (4000, 10))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: NDArray[np.float32] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


# Classes that are as probable as these logits say.
TRUE = softmax(LOGITS)
LABELS = (TRUE.cumsum(axis=1) < GENERATOR.random((4000, 1))).sum(axis=1).astype(np.int32)


@pytest.mark.parametrize("sharper", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_what_made_a_model_too_sure_or_too_unsure(sharper: float) -> None:
    answers = softmax(LOGITS * sharper)
    temperature = fit_temperature(answers, LABELS)
    assert temperature == pytest.approx(sharper, rel=0.08)
    right = answers.argmax(axis=1) == LABELS
    mended = at_temperature(answers, temperature)
    assert expected_calibration_error(mended.max(axis=1), right) < 0.025
    np.testing.assert_array_equal(mended.argmax(axis=1), answers.argmax(axis=1))


def test_no_other_temperature_has_less_loss() -> None:
    answers = softmax(LOGITS * 1.7)
    best = fit_temperature(answers, LABELS)

    def loss(temperature: float) -> float:
        own = at_temperature(answers, temperature)[np.arange(len(LABELS)), LABELS]
        return float(-np.log(own).mean())

    assert loss(best) < min(loss(best * 0.97), loss(best * 1.03))


def test_a_model_that_is_always_right_gets_the_least_temperature_there_is() -> None:
    answers = softmax(LOGITS)
    assert fit_temperature(answers, answers.argmax(axis=1).astype(np.int32)) == pytest.approx(0.05)


def test_probabilities_of_zero_count_as_very_small() -> None:
    answers = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], np.float32)
    assert 1.0 < fit_temperature(answers, np.array([0, 1, 1], np.int32)) <= 20.0
