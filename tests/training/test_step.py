"""The step's targets for mixed images, and its compilation with XLA."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.backend import tf
from training.model import Architecture
from training.modes.one_by_one import OneByOne
from training.step import StepInputs, StepResult, TrainStep
from training.trainee import Trainee, make_trainee

TINY = Architecture(classes=5, depths=(1,), width=2)
RNG = np.random.default_rng(0)
INPUTS = StepInputs(
    images=RNG.integers(0, 256, (6, 64, 64, 3), np.uint8),
    labels=np.array([0, 1, 2, 3, 4, 0], np.int32),
    partners=np.array([1, 2, 2, 0, 0, 3], np.int32),
    shares=np.array([1.0, 0.75, 0.5, 0.25, 0.0, 0.5], np.float32),
    learning_rate=np.float32(0.1),
    stop=np.float32(0),
)


def trained(*, xla: bool = False, steps: int = 1) -> tuple[Trainee, StepResult]:
    trainee = make_trainee(TINY, precision="float32", seed=0, momentum=0.9, with_average=True)
    step = TrainStep(
        trainee.model,
        trainee.optimizer,
        label_smoothing=0.1,
        weight_decay=1e-4,
        average=trainee.average,
        average_decay=0.9,
        xla=xla,
    )
    runner = OneByOne(step.update)
    for _ in range(steps):
        runner.submit(INPUTS)
        result = runner.result()
    return trainee, result


def arrays(*, xla: bool) -> dict[str, NDArray[np.float64]]:
    trainee, _ = trained(xla=xla, steps=3)
    return {name: np.asarray(array, np.float64) for name, array in trainee.arrays().items()}


def test_a_mixed_image_is_of_both_classes_by_their_shares() -> None:
    trainee = make_trainee(TINY, precision="float32", seed=0, momentum=0.9, with_average=False)
    logits = np.array(trainee.model(INPUTS.images, training=True), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    shares = INPUTS.shares[:, None].astype(np.float64)
    hard = shares * np.eye(5)[INPUTS.labels] + (1 - shares) * np.eye(5)[INPUTS.partners]
    targets = hard * 0.9 + 0.1 / 5
    _, result = trained()
    assert result.loss == pytest.approx(-(targets * log_p).sum(axis=1).mean(), rel=1e-4)


@pytest.fixture(scope="module")
def compiled() -> dict[str, NDArray[np.float64]]:
    return arrays(xla=True)


def test_xla_computes_the_same_up_to_rounding(compiled: dict[str, NDArray[np.float64]]) -> None:
    plain = arrays(xla=False)
    assert plain.keys() == compiled.keys()
    for name, values in plain.items():
        np.testing.assert_allclose(values, compiled[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_xla_repeats_bit_for_bit(compiled: dict[str, NDArray[np.float64]]) -> None:
    for name, values in arrays(xla=True).items():
        np.testing.assert_array_equal(values, compiled[name], err_msg=name)


def test_the_optimizer_moves_as_keras_own_does() -> None:
    """The same gradients, applied in our one pass and by Keras' single operations."""
    ours, theirs = (
        make_trainee(TINY, precision="float32", seed=0, momentum=0.9, with_average=False)
        for _ in range(2)
    )
    rng = np.random.default_rng(1)
    # Gradients of our choosing, by way of what a mode does with them.
    gradients = [
        rng.normal(size=v.shape).astype(np.float32) for v in ours.model.trainable_variables
    ]
    step = TrainStep(
        ours.model,
        ours.optimizer,
        label_smoothing=0.1,
        weight_decay=0.0,
        meet=lambda _, others: ([tf.constant(gradient) for gradient in gradients], list(others)),
    )
    runner = OneByOne(step.update)
    theirs.optimizer.learning_rate.assign(0.1)
    for _ in range(3):
        runner.submit(INPUTS)
        runner.result()
        theirs.optimizer.apply(
            [tf.constant(g) for g in gradients], theirs.model.trainable_variables
        )
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) == 3
    for mine, other in (
        (ours.model.trainable_variables, theirs.model.trainable_variables),
        (ours.optimizer.momentums, theirs.optimizer.momentums),
    ):
        for one, two in zip(mine, other, strict=True):
            np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-5, atol=1e-6)
