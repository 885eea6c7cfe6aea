"""One of the ranks that `benchmarks/scaling.py` measures: trains some steps and times them.

Started there, by Hotshelf's own launcher.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CLASSES = 200


def run_rank(options: argparse.Namespace) -> None:
    """Train some steps as one of the ranks; rank 0 prints the seconds of each as JSON."""
    from training.modes.horovod_hosts import interface_towards
    from training.modes.horovod_rank import hear_launcher

    hear_launcher()
    os.environ["HOROVOD_GLOO_IFACE"] = interface_towards(os.environ["HOROVOD_GLOO_RENDEZVOUS_ADDR"])
    from training.modes.horovod import HorovodMode
    from training.threads import use_threads

    mode = HorovodMode()
    use_threads(1, processes_here=1)
    measured = None
    if options.what != "single" or mode.index == 0:
        measured = time_steps(mode if options.what == "meet" else None, options)
    # Nobody leaves before all are done: the end of a rank would slow the others down.
    mode.agree(wish=True)
    if mode.index == 0:
        print(json.dumps(measured), flush=True)


def time_steps(mode: Any | None, options: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of each step, and of an update alone; with `mode` the ranks meet.

    `processor_s` is what all threads of the rank computed in each step: other work on the machine
    makes steps longer, but hardly that.
    """
    from training.model import Architecture
    from training.modes.one_by_one import OneByOne
    from training.step import StepInputs, TrainStep
    from training.trainee import make_trainee

    trainee = make_trainee(
        Architecture(classes=CLASSES, stem=options.stem),
        precision=options.precision,
        seed=0,
        momentum=0.9,
        with_average=False,
    )
    if mode is not None:
        mode.share_variables(trainee.variables)
    step = TrainStep(
        trainee.model,
        trainee.optimizer,
        label_smoothing=0.1,
        weight_decay=5e-5,
        meet=None if mode is None else mode.average,
    )
    runner = OneByOne(step.update)
    generator = np.random.default_rng(0)
    size = options.batch_size
    images = generator.integers(0, 256, (size, 64, 64, 3), np.uint8)
    labels = generator.integers(0, CLASSES, size, np.int32)
    shares = np.ones(size, np.float32)
    inputs = StepInputs(images, labels, labels, shares, np.float32(0.01), np.float32(0))

    def one() -> None:
        runner.submit(inputs)
        runner.result()

    one()
    step_s, processor_s = zip(*(spent(one) for _ in range(options.steps)), strict=True)
    return {
        "step_s": step_s,
        "processor_s": processor_s,
        "update_s": time_update(trainee),
        "parameters": describe(trainee.model),
    }


def time_update(trainee: Any) -> float:
    """Return the median seconds of applying gradients, which no rank can begin before the ring."""
    from training.backend import tf

    variables = trainee.model.trainable_variables
    zeros = [tf.zeros_like(variable.value) for variable in variables]
    apply = tf.function(lambda: trainee.optimizer.apply(zeros, variables))
    apply()
    return statistics.median(timed(apply) for _ in range(5))


def describe(model: Any) -> list[tuple[int, float]]:
    """Return bytes and multiplications of each trainable variable, in the order of the model."""
    found = []
    for layer in model.layers:
        for variable in layer.trainable_variables:
            places = 1
            if len(variable.shape) == 4:
                _, height, width, _ = layer.output.shape
                places = height * width
            size = int(np.prod(variable.shape))
            found.append((4 * size, float(size * places if len(variable.shape) > 1 else 0)))
    return found


def timed(action: Callable[[], Any]) -> float:
    """Return how many seconds the action takes."""
    return spent(action)[0]


def spent(action: Callable[[], Any]) -> tuple[float, float]:
    """Return how many seconds the action takes, and how many of a processor's."""
    started, computed = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - started, time.process_time() - computed
