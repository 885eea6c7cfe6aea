"""The feature-extractor way: only the last layer learns, and nothing else moves."""

from typing import Any

import numpy as np
import pytest

from training.backend import tf
from training.data.prepared import Split
from training.model import HEAD, Architecture, build_model
from training.modes.one_by_one import OneByOne
from training.step import StepInputs, TrainStep, input_spec, moving_statistics
from training.trainee import Trainee, make_trainee

SMALL = Architecture(classes=2, depths=(1,), width=2)
SPLIT = Split(
    images=np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8),
    labels=np.arange(8, dtype=np.int32) % 2,
)


def trained(*, frozen: bool, steps: int = 3) -> tuple[Trainee, dict[str, Any]]:
    """A trainee after some steps with weight decay and moving average, and its arrays before."""
    trainee = make_trainee(
        SMALL, precision="float32", seed=0, momentum=0.9, with_average=True, frozen=frozen
    )
    before = trainee.arrays()
    step = TrainStep(
        trainee.model,
        trainee.optimizer,
        label_smoothing=0.1,
        weight_decay=0.01,
        average=trainee.average,
        average_decay=0.5,
    )
    runner = OneByOne(step.update)
    rate, stop = np.float32(0.1), np.float32(0.0)
    for _ in range(steps):
        shares = np.ones(len(SPLIT), np.float32)
        runner.submit(StepInputs(SPLIT.images, SPLIT.labels, SPLIT.labels, shares, rate, stop))
        runner.result()
    return trainee, before


def changed(trainee: Trainee, before: dict[str, Any]) -> set[str]:
    return {name for name, now in trainee.arrays().items() if not np.array_equal(now, before[name])}


def test_only_the_head_and_its_average_change() -> None:
    trainee, before = trained(frozen=True)
    moved = {name for name in changed(trainee, before) if not name.startswith("optimizer/")}
    assert moved == {
        f"{part}/{HEAD}/{leaf}" for part in ("model", "average") for leaf in ("kernel", "bias")
    }
    optimizer = [name for name in before if name.startswith("optimizer/") and "momentum" in name]
    assert len(optimizer) == 2
    assert moving_statistics(trainee.model) == []


def test_everything_changes_without() -> None:
    trainee, before = trained(frozen=False)
    still = before.keys() - changed(trainee, before)
    # The first steps' gradients of a block whose last scale starts at zero are zero.
    assert not [name for name in still if name.startswith("average/conv1")]
    moving = {variable.path for variable in moving_statistics(trainee.model)}
    assert moving == {variable.path for variable in trainee.model.non_trainable_variables}


def test_frozen_normalisation_uses_the_statistics_it_has() -> None:
    model = make_trainee(
        SMALL, precision="float32", seed=0, momentum=0.9, with_average=False, frozen=True
    ).model
    training = model(SPLIT.images, training=True).numpy()
    np.testing.assert_array_equal(training, model(SPLIT.images, training=False).numpy())


def test_freezing_keeps_the_order_of_variables() -> None:
    model = make_trainee(
        SMALL, precision="float32", seed=0, momentum=0.9, with_average=False, frozen=True
    ).model
    plain = build_model(SMALL, precision="float32", seed=0)
    paths = [variable.path for variable in model.variables]
    assert paths == [variable.path for variable in plain.variables]


@pytest.mark.parametrize("frozen", [True, False])
def test_the_graph_of_a_frozen_backbone_has_no_backward_pass_through_it(frozen: bool) -> None:
    trainee = make_trainee(
        SMALL, precision="float32", seed=0, momentum=0.9, with_average=False, frozen=frozen
    )
    step = TrainStep(trainee.model, trainee.optimizer, label_smoothing=0.1, weight_decay=0.01)
    graph = tf.function(step.update, input_signature=[input_spec()]).get_concrete_function().graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert ("Conv2DBackpropFilter" in kinds) is not frozen
