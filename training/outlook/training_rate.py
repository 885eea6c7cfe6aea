"""How fast a recipe's step trains a model here, on one batch that is in memory already."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from imaging import CHANNELS, SIDE
from training.assemble import build_step, build_trainee, set_seeds
from training.backend import tf
from training.model import Architecture
from training.modes.single import SingleMode
from training.outlook.cost import ModelCost, cost_of
from training.outlook.throughput import Throughput, measure
from training.settings import Recipe
from training.step import StepInputs

_WARM_UP_STEPS = 2


def training_rate(
    recipe: Recipe, architecture: Architecture, *, windows: int, seconds: float
) -> tuple[Throughput, ModelCost]:
    """Return images a second of whole steps in this process, and the cost of the model.

    Both at the largest images that the recipe trains on.
    """
    set_seeds(recipe)
    mode = SingleMode()
    side = recipe.resolutions.largest
    trainee = build_trainee(recipe, architecture, mode, side=side)
    runner = mode.runner(build_step(recipe, trainee, mode).update)
    inputs = drawn_inputs(recipe.batch_size, architecture.classes, side=side)

    def advance() -> None:
        runner.submit(inputs)
        runner.result()

    return warmed_up(advance, recipe, windows, seconds), cost_of(trainee.model)


def warmed_up(
    advance: Callable[[], object], recipe: Recipe, windows: int, seconds: float
) -> Throughput:
    """Measure steps after the first ones, which trace, compile and fill buffers."""
    for _ in range(_WARM_UP_STEPS):
        advance()
    return measure(advance, images=recipe.batch_size, windows=windows, seconds=seconds)


def drawn_inputs(batch_size: int, classes: int, *, side: int = SIDE) -> StepInputs:
    """Return one batch of random images of this side, on the device that trains."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, batch_size, np.int32)
    shape = (batch_size, side, side, CHANNELS)
    return StepInputs(
        images=tf.constant(rng.integers(0, 256, shape, np.uint8)),
        labels=tf.constant(labels),
        partners=tf.constant(labels),
        shares=tf.ones(batch_size),
        learning_rate=tf.constant(0.01),
        stop=tf.constant(0.0),
    )
