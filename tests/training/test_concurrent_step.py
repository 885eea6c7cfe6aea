"""Steps that share variables: the same mathematics, and nothing lost when they meet."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from training.backend import tf
from training.concurrent_step import ConcurrentStep
from training.model import Architecture
from training.step import StepInputs, TrainStep, input_spec
from training.trainee import Trainee, make_trainee

RATE = 0.05
SMALL = Architecture(classes=2, depths=(1,), width=2)


def small_trainee(*, momentum: float = 0.9, frozen: bool = False) -> Trainee:
    return make_trainee(
        SMALL, precision="float32", seed=3, momentum=momentum, with_average=True, frozen=frozen
    )


def inputs(step: int, *, rate: float = RATE) -> StepInputs:
    draws = np.random.default_rng(step)
    labels = draws.integers(0, 2, 8).astype(np.int32)
    images = draws.integers(0, 256, (8, 64, 64, 3), np.uint8) // (1 + labels)[:, None, None, None]
    return StepInputs(
        images.astype(np.uint8),
        labels,
        labels,
        np.ones(8, np.float32),
        np.float32(rate),
        np.float32(0),
    )


def compiled(kind: type[TrainStep], trainee: Trainee, *, decay: float = 0.99) -> Any:
    step = kind(
        trainee.model,
        trainee.optimizer,
        label_smoothing=0.1,
        weight_decay=1e-3,
        average=trainee.average,
        average_decay=decay,
    )
    return tf.function(step.update, input_signature=[input_spec()])


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_one_step_at_a_time_gives_the_weights_that_keras_gives(momentum: float) -> None:
    theirs, ours = small_trainee(momentum=momentum), small_trainee(momentum=momentum)
    steps = {
        id(trainee): compiled(kind, trainee)
        for kind, trainee in ((TrainStep, theirs), (ConcurrentStep, ours))
    }
    for number in range(5):
        expected = steps[id(theirs)](inputs(number)).numpy()
        np.testing.assert_allclose(steps[id(ours)](inputs(number)).numpy(), expected, rtol=1e-5)
    # The rate of a step is passed along, and not left in a variable that all steps share.
    rate = "optimizer/sgd/learning_rate"
    expected_arrays: dict[str, Any] = dict(theirs.arrays())
    arrays: dict[str, Any] = dict(ours.arrays())
    assert arrays.pop(rate) == 0.0
    assert expected_arrays.pop(rate) == pytest.approx(RATE)
    for name, expected in expected_arrays.items():
        np.testing.assert_allclose(arrays[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)


def test_statistics_move_towards_those_of_the_batches_and_evaluation_works_with_them() -> None:
    trainee = small_trainee()
    update = compiled(ConcurrentStep, trainee)
    mean, variance = statistics(trainee)
    start = mean.numpy().copy(), variance.numpy().copy()
    batch = inputs(0, rate=0.0)
    for _ in range(200):
        update(batch)
    assert np.abs(mean.numpy() - start[0]).max() > 0.1
    assert np.abs(variance.numpy() - start[1]).max() > 0.1
    # Of one batch over and over, the statistics become its own: training or not is the same.
    evaluated = trainee.model(batch.images, training=False).numpy()
    trained = trainee.model(batch.images, training=True).numpy()
    np.testing.assert_allclose(evaluated, trained, rtol=1e-3, atol=1e-4)


def test_a_frozen_backbone_keeps_weights_and_statistics_while_the_head_learns() -> None:
    trainee = small_trainee(frozen=True)
    before = trainee.arrays()
    update = compiled(ConcurrentStep, trainee)
    update(inputs(0))
    after = trainee.arrays()
    moved = {
        name
        for name, array in after.items()
        if name.startswith("model/") and not np.array_equal(array, before[name])
    }
    assert moved == {"model/logits/kernel", "model/logits/bias"}


def test_steps_at_the_same_moment_are_all_counted() -> None:
    trainee = small_trainee()
    update = compiled(ConcurrentStep, trainee)
    update(inputs(0, rate=0.0))
    each, threads = 25, 4

    def train() -> None:
        for number in range(each):
            update(inputs(number, rate=0.0))

    running = [threading.Thread(target=train) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert trainee.arrays()["optimizer/sgd/iteration"] == 1 + each * threads


def statistics(trainee: Trainee) -> tuple[Any, Any]:
    layer = trainee.model.get_layer("conv1_bn")
    return layer.moving_mean, layer.moving_variance
