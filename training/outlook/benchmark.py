"""Images a second of a recipe: the input pipeline alone, the step alone, and both together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from training.assemble import build_batches, build_step, build_trainee, set_seeds
from training.backend import tf
from training.data.pipeline import training_dataset
from training.data.prepared import Split
from training.model import Architecture
from training.modes.single import SingleMode
from training.outlook.machine import Machine, this_machine
from training.outlook.throughput import Throughput
from training.outlook.training_rate import drawn_inputs, warmed_up
from training.progress import Bars
from training.settings import Recipe
from training.step import StepInputs

_DRAWN_IMAGES = 10_000
_RATE = np.float32(0.01)


class Speeds(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, on what."""

    recipe: Recipe
    machine: Machine
    input_pipeline: Throughput
    synthetic_data: Throughput
    real_data: Throughput | None


def benchmark(
    recipe: Recipe,
    split: Split | None,
    bars: Bars,
    *,
    architecture: Architecture,
    windows: int,
    seconds: float,
) -> Speeds:
    """Measure one part after the other; the recipe's precision is resolved already.

    The pipeline makes training batches of `split`, or of drawn images where it is None; the step
    trains on one batch in memory; with a split, it trains on what the pipeline makes of it. Of a
    recipe with several sizes of images, the largest is measured.
    """
    set_seeds(recipe)
    mode = SingleMode()
    side = recipe.resolutions.largest
    trainee = build_trainee(recipe, architecture, mode, side=side)
    runner = mode.runner(build_step(recipe, trainee, mode).update)
    data = drawn_split(architecture.classes) if split is None else split
    bars.say("measuring the input pipeline alone")
    elements = _elements(recipe, mode, data)
    pipeline = warmed_up(elements.__next__, recipe, windows, seconds)
    del elements  # or it would fill its buffers beside what comes next

    bars.say("measuring training on one batch in memory")
    inputs = drawn_inputs(recipe.batch_size, architecture.classes, side=side)

    def step(batch: StepInputs) -> None:
        runner.submit(batch)
        runner.result()

    synthetic = warmed_up(lambda: step(inputs), recipe, windows, seconds)
    real = None
    if split is not None:
        bars.say("measuring training on the data")
        batches = _elements(recipe, mode, split)

        def step_on_data() -> None:
            images, labels, partners, shares = next(batches)
            step(StepInputs(images, labels, partners, shares, _RATE, np.float32(0)))

        real = warmed_up(step_on_data, recipe, windows, seconds)
    gpus = tuple(device.name for device in tf.config.list_physical_devices("GPU"))
    return Speeds(
        recipe=recipe,
        machine=this_machine(gpus=gpus),
        input_pipeline=pipeline,
        synthetic_data=synthetic,
        real_data=real,
    )


def speeds_text(speeds: Speeds) -> str:
    """Return the lines that tell them."""
    recipe = speeds.recipe
    facts = [f"stem {recipe.stem}", f"{recipe.batch_size} images a step", recipe.precision]
    facts.append(f"{recipe.resolutions.largest}×{recipe.resolutions.largest} pixels")
    facts += ["XLA"] * recipe.xla + ["deterministic"] * recipe.deterministic
    lines = [str(speeds.machine), ", ".join(facts)]
    parts = {
        "input pipeline alone": speeds.input_pipeline,
        "training, one batch": speeds.synthetic_data,
        "training, real data": speeds.real_data,
    }
    for name, measured in parts.items():
        if measured is not None:
            lines.append(
                f"{name:22} {measured.median:10,.1f} images/s  (median of "
                f"{len(measured.windows)} windows within {measured.spread:.0%})"
            )
    return "\n".join(lines)


def drawn_split(classes: int, images: int = _DRAWN_IMAGES) -> Split:
    """Return random images; how long they take doesn't depend on what they show."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, *IMAGE_SHAPE), np.uint8)
    return Split(images=pixels, labels=rng.integers(0, classes, images, np.int32))


def _elements(recipe: Recipe, mode: SingleMode, split: Split) -> Iterator[Any]:
    batches = build_batches(recipe, mode, split, side_at=lambda _: recipe.resolutions.largest)
    return iter(training_dataset(batches, first_step=0, last_step=2**31))
