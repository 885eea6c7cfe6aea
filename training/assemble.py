"""The pieces of one run, built from its settings."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import SIDE
from training.backend import keras, tf
from training.concurrent_step import ConcurrentStep
from training.data.batches import Augmentation, Batches
from training.data.holdout import held_out, trained_rows
from training.data.prepared import PreparedData, Split
from training.errors import DataError
from training.model import Architecture
from training.modes.base import Mode
from training.position import Plan, make_plan
from training.progress import Bars
from training.run.checkpoints import KEEP, Checkpoints
from training.run.divergence import Divergence
from training.run.folder import RunFolder
from training.run.metrics_log import MetricsLog
from training.run.tensorboard import EventFiles
from training.schedule import Schedule, scaled_rate
from training.settings import Recipe
from training.step import TrainStep
from training.trainee import Trainee, make_trainee
from training.trainer import Trainer


class Pieces(msgspec.Struct, frozen=True):
    """What a run needs to train."""

    trainee: Trainee
    plan: Plan
    checkpoints: Checkpoints
    metrics: MetricsLog
    trainer: Trainer


def architecture_of(recipe: Recipe, data: PreparedData) -> Architecture:
    """Return the architecture with one output for each class of the data."""
    return Architecture(classes=data.class_count, stem=recipe.stem)


def set_seeds(recipe: Recipe) -> None:
    """Make TensorFlow repeat itself, as far as the recipe asks for it."""
    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()


def build_trainee(
    recipe: Recipe, architecture: Architecture, mode: Mode, *, side: int | None = None
) -> Trainee:
    """Return the trainee with its initial weights, placed where the mode wants it.

    For images of this side alone; without one, for all that the recipe trains and evaluates on.
    """
    if side is None and recipe.resolutions.sides == (SIDE,):
        side = SIDE
    return mode.build(
        lambda: make_trainee(
            architecture,
            precision="mixed_bfloat16" if recipe.precision == "mixed_bfloat16" else "float32",
            seed=recipe.seed,
            momentum=recipe.momentum,
            with_average=recipe.ema > 0,
            frozen=recipe.freeze == "backbone",
            average_moments=mode.average_moments if recipe.sync_norm and mode.count > 1 else None,
            side=side,
        )
    )


def assemble(
    *,
    recipe: Recipe,
    architecture: Architecture,
    mode: Mode,
    folder: RunFolder,
    data: PreparedData,
    bars: Bars,
    checkpoint_every: int | None,
    should_stop: Callable[[], bool],
    keep: int = KEEP,
) -> Pieces:
    """Build everything; the recipe's precision is resolved already."""
    trainee = build_trainee(recipe, architecture, mode)
    among = trained_rows(data.train, recipe.holdout)
    plan = build_plan(recipe, len(among), mode.parts, checkpoint_every=checkpoint_every)
    batches = build_batches(
        recipe,
        mode,
        data.train,
        among=among,
        side_at=lambda step: recipe.resolutions.at(step, plan.total_steps),
    )
    checkpoints = Checkpoints(folder.checkpoints, keep=keep)
    metrics = MetricsLog(folder.metrics, mirrors=[EventFiles(folder.tensorboard)])
    trainer = Trainer(
        mode=mode,
        trainee=trainee,
        runner=mode.runner(build_step(recipe, trainee, mode).update),
        schedule=build_schedule(recipe, plan, mode.parts),
        plan=plan,
        batches=batches,
        divergence=Divergence(batches, data, folder.path if mode.writes_files else None),
        images_a_step=recipe.batch_size * mode.parts // mode.count * mode.count,
        validation=held_out(data.train, recipe.holdout) if recipe.holdout else data.val,
        evaluated_on="held-out" if recipe.holdout else "validation",
        checkpoints=checkpoints,
        metrics=metrics,
        bars=bars,
        should_stop=should_stop,
    )
    return Pieces(trainee, plan, checkpoints, metrics, trainer)


def augmentation_of(recipe: Recipe) -> Augmentation:
    """Return what the recipe does to training images."""
    return Augmentation(
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        colour=recipe.colour,
        erase=recipe.erase,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
    )


def build_plan(recipe: Recipe, images: int, parts: int, *, checkpoint_every: int | None) -> Plan:
    """Return the plan of a run that trains on so many images, in global batches of `parts`.

    Raises DataError when they don't fill one.
    """
    images_a_step = recipe.batch_size * parts
    if images < images_a_step:
        raise DataError(f"{images} training images don't fill a batch of {images_a_step}")
    return make_plan(
        steps_per_pass=images // images_a_step,
        epochs=recipe.epochs,
        steps_per_epoch=recipe.steps_per_epoch,
        max_steps=recipe.max_steps,
        checkpoint_every=checkpoint_every,
    )


def build_batches(
    recipe: Recipe,
    mode: Mode,
    split: Split,
    *,
    among: NDArray[np.int64] | None = None,
    side_at: Callable[[int], int] = lambda _: SIDE,
) -> Batches:
    """Return this rank's training batches of a split, or of these rows of it."""
    return Batches(
        split,
        batch_size=recipe.batch_size * mode.parts // mode.count,
        seed=recipe.seed,
        augmentation=augmentation_of(recipe),
        index=mode.index,
        global_batch=recipe.batch_size * mode.parts,
        among=among,
        side_at=side_at,
    )


def build_schedule(recipe: Recipe, plan: Plan, count: int) -> Schedule:
    """Return the learning rates of a run whose global batch has `count` parts."""
    return Schedule(
        peak=scaled_rate(recipe.learning_rate, recipe.batch_size * count),
        warmup_steps=round(recipe.warmup * plan.total_steps),
        total_steps=plan.total_steps,
    )


def build_step(recipe: Recipe, trainee: Trainee, mode: Mode) -> TrainStep:
    """Return the step that trains this trainee by this recipe."""
    kind = ConcurrentStep if mode.shares_variables else TrainStep
    return kind(
        trainee.model,
        trainee.optimizer,
        label_smoothing=recipe.label_smoothing,
        weight_decay=recipe.weight_decay,
        average=trainee.average,
        average_decay=recipe.ema,
        meet=mode.average if mode.count > 1 else None,
        xla=recipe.xla,
    )
