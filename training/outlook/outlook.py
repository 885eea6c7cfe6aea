"""What a run will be, without running it: `train --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from training.assemble import build_plan, build_schedule, build_trainee
from training.backend import tf
from training.data.holdout import held_out_count
from training.data.pipeline import elements_ahead
from training.data.size import DataSize, size_of
from training.model import Architecture
from training.modes.single import SingleMode
from training.modes.spread import Spread, spread_of
from training.outlook.cost import ModelCost, cost_of
from training.outlook.machine import Machine, this_machine
from training.outlook.training_rate import training_rate
from training.position import Plan
from training.precision import resolve as resolve_precision
from training.schedule import Schedule
from training.settings import Job, Recipe
from training.weights.initial import check_freezing

_FLOAT32 = 4
# TensorFlow and Keras imported, ResNet-50 traced and what its step needs whatever the batch: set so
# that the estimate meets peaks measured at 32 to 128 images; docs/training.md says how closely.
_PROGRAM_BYTES = 1_050_000_000
# An image in a step is there as uint8 and as float32.
_BYTES_A_PIXEL_VALUE = 5


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that one process needs while it trains."""

    program: int
    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int
    batches_ahead: int
    checkpoint: int

    @property
    def total(self) -> int:
        """Return the sum."""
        total: int = sum(getattr(self, name) for name in self.__struct_fields__)
        return total


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a run may be, communication left out; and how that was guessed."""

    images_per_s: float
    training_s: float
    from_: str = msgspec.field(name="from")


class StageOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """The steps with images of one side, and what the model costs at it."""

    side: int
    steps: int
    model: ModelCost


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """A run's settings, all of them resolved, and what follows from them.

    `model` is the cost at the largest images that it trains on.
    """

    job: Job
    recipe: Recipe
    spread: Spread
    data: DataSize
    images_a_step: int
    plan: Plan
    schedule: Schedule
    model: ModelCost
    stages: tuple[StageOutlook, ...]
    memory: Memory
    guess: Guess
    machine: Machine


def look_ahead(job: Job, recipe: Recipe) -> Outlook:
    """Return the outlook of a run; prepares no data, writes no file, and trains nothing of it.

    It builds the model and trains a shallower one for a few seconds on drawn images, to guess the
    speed. Raises UsageError or DataError for what would end the run at once.
    """
    check_freezing(recipe)
    gpus = tuple(device.name for device in tf.config.list_physical_devices("GPU"))
    precision = resolve_precision(recipe.precision, has_gpu=bool(gpus))
    recipe = msgspec.structs.replace(recipe, precision=precision)
    spread = spread_of(job)
    data = size_of(job.data, job.cache_folder)
    images_a_step = recipe.batch_size * spread.parts
    trained = data.train_images - held_out_count(data.train_images, recipe.holdout)
    plan = build_plan(recipe, trained, spread.parts, checkpoint_every=job.checkpoint_every)
    stages = _stages(recipe, Architecture(classes=data.classes, stem=recipe.stem), plan)
    cost = max((stage.model for stage in stages), key=lambda each: each.forward_macs)
    return Outlook(
        job=job,
        recipe=recipe,
        spread=spread,
        data=data,
        images_a_step=images_a_step,
        plan=plan,
        schedule=build_schedule(recipe, plan, spread.parts),
        model=cost,
        memory=memory_of(recipe, cost),
        stages=stages,
        guess=_guess(recipe, stages, spread, images_a_step, has_gpu=bool(gpus)),
        machine=this_machine(gpus=gpus),
    )


def memory_of(recipe: Recipe, cost: ModelCost) -> Memory:
    """Return the estimate for a process: all in float32, and the activations of its batch.

    Gradients and momentum are of the trained parameters, the average of all; a checkpoint is a
    copy of what it holds while it is written.
    """
    weights, trained = cost.parameters * _FLOAT32, cost.trainable_parameters * _FLOAT32
    optimizer = trained if recipe.momentum else 0
    average = weights if recipe.ema else 0
    pixels = int(np.prod(IMAGE_SHAPE))
    in_step = cost.activation_bytes + pixels * _BYTES_A_PIXEL_VALUE
    return Memory(
        program=_PROGRAM_BYTES,
        weights=weights,
        gradients=trained,
        optimizer=optimizer,
        average=average,
        activations=recipe.batch_size * in_step,
        batches_ahead=elements_ahead() * recipe.batch_size * pixels,
        checkpoint=weights + optimizer + average,
    )


def _stages(recipe: Recipe, architecture: Architecture, plan: Plan) -> tuple[StageOutlook, ...]:
    costs = {
        side: cost_of(build_trainee(recipe, architecture, SingleMode(), side=side).model)
        for side in recipe.resolutions.sides
    }
    return tuple(
        StageOutlook(side=side, steps=steps, model=costs[side])
        for side, steps in recipe.resolutions.steps(plan.total_steps)
    )


def _guess(
    recipe: Recipe,
    stages: Sequence[StageOutlook],
    spread: Spread,
    images_a_step: int,
    *,
    has_gpu: bool,
) -> Guess:
    """Scale what a shallower model does here to this one, by multiplications, and to all devices.

    Processes of one machine share its cores, so that without GPUs only hosts add up.
    """
    shallow = Architecture(classes=200, stem=recipe.stem, depths=(1, 1, 1, 1))
    # On a processor a few images keep all units busy; a GPU needs the whole batch.
    batch = recipe.batch_size if has_gpu else min(16, recipe.batch_size)
    measured, shallow_cost = training_rate(
        msgspec.structs.replace(recipe, batch_size=batch), shallow, windows=3, seconds=0.5
    )
    flops_per_s = measured.median * shallow_cost.step_flops
    flops_per_s *= spread.devices if has_gpu else spread.hosts
    flops = sum(images_a_step * stage.steps * stage.model.step_flops for stage in stages)
    images = sum(images_a_step * stage.steps for stage in stages)
    return Guess(
        images_per_s=images * flops_per_s / flops,
        training_s=flops / flops_per_s,
        from_="a shallower ResNet measured here for a few seconds, scaled by its multiplications "
        "and the devices, as if they had nothing to tell each other",
    )
