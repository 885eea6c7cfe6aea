"""Trains a small model with two workers and two servers; tells what happened as JSON.

The classes are bright and dark images, so that the loss has somewhere to fall to.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from training.modes.cluster_role import ENVIRONMENT
from training.progress import make_bars

os.environ.update(ENVIRONMENT)

from training.concurrent_step import ConcurrentStep
from training.model import Architecture
from training.modes.parameter_server import ParameterServerMode, log_to
from training.step import StepInputs
from training.trainee import Trainee, make_trainee, predictor

STEPS = 60
BATCH = 16


def main(logs: Path) -> None:
    """Print the facts as one line."""
    log_to(logs / "coordinator.log")
    mode = ParameterServerMode(
        place=None, workers=2, servers=2, threads=1, patience_s=120.0, logs=logs, bars=make_bars()
    )
    with mode:
        trainee = mode.build(
            lambda: make_trainee(
                Architecture(classes=2, depths=(1, 1), width=4),
                precision="float32",
                seed=1,
                momentum=0.9,
                with_average=True,
            )
        )
        print(msgspec.json.encode(facts_of(mode, trainee)).decode(), flush=True)


def facts_of(mode: ParameterServerMode, trainee: Trainee) -> dict[str, Any]:
    """Train and return what tests look at."""
    before = trainee.arrays()
    losses = train(mode, trainee)
    after = trainee.arrays()
    trainee.restore(before)
    restored = trainee.arrays()
    trainee.restore(after)
    images = batch(0).images
    copy = mode.local(trainee.model)
    return {
        "losses": losses,
        "updates": int(after["optimizer/sgd/iteration"]),
        "moved": [name for name in after if not np.array_equal(after[name], before[name])],
        "restored": all(np.array_equal(restored[name], before[name]) for name in before),
        "servers": servers(trainee),
        "copy_is_here": all("/job:ps" not in item.value.device for item in copy.variables),
        "copy_is_the_same": mode.local(trainee.model) is copy,
        "copy_has_the_weights": all(
            np.array_equal(after[f"model/{item.path}"], item.numpy()) for item in copy.variables
        ),
        "accuracy": accuracy(predictor(copy)(images), batch(0).labels),
    }


def train(mode: ParameterServerMode, trainee: Trainee) -> list[float]:
    """Return the losses of all steps, in their order."""
    step = ConcurrentStep(
        trainee.model,
        trainee.optimizer,
        label_smoothing=0.0,
        weight_decay=1e-4,
        average=trainee.average,
        average_decay=0.9,
    )
    runner = mode.runner(step.update)
    losses: list[float] = []
    submitted = 0
    while len(losses) < STEPS:
        while submitted < STEPS and runner.in_flight < runner.capacity:
            runner.submit(batch(submitted))
            submitted += 1
        losses.append(runner.result().loss)
    return losses


def batch(step: int) -> StepInputs:
    """Return dark images of class 0 and bright ones of class 1."""
    draws = np.random.default_rng(step)
    labels = draws.integers(0, 2, BATCH).astype(np.int32)
    images = draws.integers(0, 128, (BATCH, 64, 64, 3)) + 127 * labels[:, None, None, None]
    shares = np.ones(BATCH, np.float32)
    rate, stop = np.float32(0.02), np.float32(0)
    return StepInputs(images.astype(np.uint8), labels, labels, shares, rate, stop)


def servers(trainee: Trainee) -> dict[str, Any]:
    """Return how many bytes of weights each server has, and what isn't where it should be."""
    model, average = trainee.model, trainee.average
    assert average is not None
    held: Counter[str] = Counter()
    for item in model.variables:
        held[item.value.device] += 4 * item.shape.num_elements()
    pairs = [*zip(model.variables, average.variables, strict=True)]
    pairs += zip(model.trainable_variables, trainee.optimizer.momentums, strict=True)
    apart = [mine.path for mine, other in pairs if mine.value.device != other.value.device]
    return {"held": held, "apart": apart}


def accuracy(probabilities: Any, labels: Any) -> float:
    """Return the part guessed right."""
    return float((probabilities.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
