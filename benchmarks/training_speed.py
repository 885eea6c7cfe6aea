"""Images a second of a run in mode `single`, and of a plain Keras `model.fit` of the same training.

    python -m benchmarks.training_speed [--batch-size 32] [--rounds 7] [--steps 12] [--json]

Both sides train the same ResNet-50, theirs of Keras' own layers, at the same precision, with the
same batches from the same `tf.data` pipeline, SGD with Nesterov momentum, weight decay, label
smoothing, warm-up and cosine, and both tell loss and accuracy. Ours is what
`python -m training train` runs between evaluations: the real trainer with its progress, its log and
its look at signals each step, without a moving average of the weights, of which `fit` has none
here. Theirs is `compile` and `fit(verbose=0)` with SGD(weight_decay) and a LearningRateSchedule,
and nothing else but a callback that takes the time. Deterministic operations and XLA are on or off
for both.

Both live in one process and take turns, a round each, as does who begins; the first steps of each
round aren't counted, and neither is the first round. Exit code 1 where the median of the rounds'
ratios stays below 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.results_file import write_results
from imaging import IMAGE_SHAPE
from training.assemble import assemble, augmentation_of, set_seeds
from training.backend import keras, tf
from training.data.batches import Batches
from training.data.pipeline import training_dataset
from training.data.prepared import PreparedData, Split
from training.model import Architecture, build_model
from training.modes.single import SingleMode
from training.normalisation import FusedNormalisation
from training.outlook.machine import this_machine
from training.position import Position
from training.precision import resolve
from training.progress import SilentBars
from training.run.folder import RunFolder
from training.schedule import scaled_rate
from training.settings import Recipe

BOUND = 1.0
# Steps at the start of a round that aren't counted: pipelines fill, caches are the other side's.
SKIPPED = 3
TOTAL_STEPS = 100_000
IMAGES = 20_000
CLASSES = 200


class Taken(NamedTuple):
    """Seconds on the clock, and of all processor cores together."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> Taken:
        """Return the readings of both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: Taken) -> Taken:
        """Return what went by."""
        return Taken(self.wall_s - earlier.wall_s, self.cpu_s - earlier.cpu_s)


Side = Callable[[int], Taken]


class _StopWatch(keras.callbacks.Callback):
    """Takes the time from the end of one batch to the end of another."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self._first, self._last = first, last
        self.started = self.ended = Taken(0.0, 0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if batch == self._first:
            self.started = Taken.now()
        elif batch == self._last:
            self.ended = Taken.now()


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """`training.schedule.Schedule` as a plain Keras user writes it."""

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self._peak, self._warmup, self._total = peak, warmup_steps, total_steps

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / (self._warmup + 1)
        done = (step - self._warmup) / (self._total - self._warmup)
        falling = 0.5 * (1.0 + tf.cos(np.pi * tf.minimum(1.0, done)))
        return self._peak * tf.where(step < self._warmup, rising, falling)


def drawn_split() -> Split:
    """Return random images; neither side's time depends on what they show."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, *IMAGE_SHAPE), np.uint8)
    return Split(images=images, labels=rng.integers(0, CLASSES, IMAGES, np.int32))


def ours(recipe: Recipe, split: Split, folder: Path) -> Side:
    """Return what trains so many steps by the trainer and tells the time of those counted."""
    pieces = assemble(
        recipe=recipe,
        architecture=Architecture(classes=CLASSES, stem=recipe.stem),
        mode=SingleMode(),
        folder=RunFolder(folder),
        data=PreparedData(folder=folder, digest="", classes=(), train=split, val=split),
        bars=SilentBars(),
        checkpoint_every=None,
        should_stop=lambda: False,
    )
    now = Position()

    def train(steps: int) -> Taken:
        nonlocal now
        started = Taken.now()
        for step in range(SKIPPED + steps):
            if step == SKIPPED:
                started = Taken.now()
            now = pieces.trainer.train(now)
        return Taken.now().since(started)

    return train


def _plain(layer: Any) -> Any:
    kind = type(layer)
    if isinstance(layer, FusedNormalisation):
        kind = keras.layers.BatchNormalization
    return kind.from_config(layer.get_config())


def theirs(recipe: Recipe, split: Split) -> Side:
    """Return what trains so many steps by `fit` and tells the time of those counted."""
    model = keras.models.clone_model(
        build_model(
            Architecture(classes=CLASSES, stem=recipe.stem),
            precision="mixed_bfloat16" if recipe.precision == "mixed_bfloat16" else "float32",
            seed=recipe.seed,
        ),
        clone_function=_plain,
    )
    peak = scaled_rate(recipe.learning_rate, recipe.batch_size)
    model.compile(
        optimizer=keras.optimizers.SGD(
            _Schedule(peak, round(recipe.warmup * TOTAL_STEPS), TOTAL_STEPS),
            momentum=recipe.momentum,
            nesterov=True,
            weight_decay=recipe.weight_decay,
        ),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=["accuracy"],
        jit_compile=recipe.xla,
    )
    batches = Batches(
        split,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        augmentation=augmentation_of(recipe),
    )
    elements = training_dataset(batches, first_step=0, last_step=TOTAL_STEPS)
    pairs = elements.map(lambda images, labels, *_: (images, tf.one_hot(labels, CLASSES)))

    def train(steps: int) -> Taken:
        watch = _StopWatch(SKIPPED - 1, SKIPPED + steps - 1)
        model.fit(pairs, steps_per_epoch=SKIPPED + steps, verbose=0, callbacks=[watch])
        return watch.ended.since(watch.started)

    return train


def compare(recipe: Recipe, *, rounds: int, steps: int) -> dict[str, list[Taken]]:
    """Return the time an image of each round of both sides."""
    split = drawn_split()
    images = recipe.batch_size * steps
    times: dict[str, list[Taken]] = {"hotshelf": [], "fit": []}
    with tempfile.TemporaryDirectory() as folder:
        sides = {"hotshelf": ours(recipe, split, Path(folder)), "fit": theirs(recipe, split)}
        for each in range(rounds + 1):
            for name in sorted(sides, reverse=each % 2 == 1):
                taken = sides[name](steps)
                an_image = Taken(taken.wall_s / images, taken.cpu_s / images)
                if each:  # the first round traces and warms up
                    times[name].append(an_image)
                rate = f"{1 / an_image.wall_s:8.1f} images/s"
                cpu = f"{1000 * an_image.cpu_s:6.1f} ms of processor time an image"
                print(f"round {each} {name:8} {rate} {cpu}", file=sys.stderr, flush=True)
    return times


def summary(times: dict[str, list[Taken]]) -> dict[str, Any]:
    """Return medians, and the ratios of the rounds: above 1 is faster than `fit`."""
    pairs = list(zip(times["hotshelf"], times["fit"], strict=True))
    ratios = [plain.wall_s / mine.wall_s for mine, plain in pairs]
    cpu_ratios = [plain.cpu_s / mine.cpu_s for mine, plain in pairs]
    return {
        "images_per_s": {
            name: round(1 / statistics.median(taken.wall_s for taken in each), 1)
            for name, each in times.items()
        },
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        # What others do on the machine disturbs this less.
        "processor_time_ratio": round(statistics.median(cpu_ratios), 3),
        "bound": BOUND,
        "good": statistics.median(ratios) >= BOUND,
    }


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe both sides follow."""
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    return Recipe(
        stem=options.stem,
        batch_size=options.batch_size,
        learning_rate=0.1,
        epochs=1,
        steps_per_epoch=TOTAL_STEPS,
        precision=resolve(options.precision, has_gpu=has_gpu),
        xla=options.xla,
        deterministic=options.deterministic,
    )


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stem", choices=("imagenet", "stride2", "full"), default="imagenet")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--precision", choices=("auto", "float32", "mixed_bfloat16"), default="auto"
    )
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=12, help="counted steps of a round and side")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-file", action="store_true", help="don't write benchmarks/results")
    return parser.parse_args()


def main() -> int:
    """Measure, print, keep the results, and tell by the exit code whether the bound holds."""
    options = parse()
    recipe = recipe_of(options)
    set_seeds(recipe)
    results = summary(compare(recipe, rounds=options.rounds, steps=options.steps))
    results |= {"steps_a_round": options.steps, "recipe": msgspec.to_builtins(recipe)}
    gpus = tuple(device.name for device in tf.config.list_physical_devices("GPU"))
    machine = this_machine(gpus=gpus)
    if not options.no_file:
        name = "training_speed" + ("_xla" if recipe.xla else "")
        command = " ".join(["python -m benchmarks.training_speed", *sys.argv[1:]])
        facts = msgspec.to_builtins(machine)
        write_results(name, command=command, machine=facts, results=results)
    if options.json:
        print(json.dumps(results))
    else:
        print(machine)
        for name, rate in results["images_per_s"].items():
            print(f"{name:8} {rate:8.1f} images/s")
        verdict = "within" if results["good"] else "MISSES"
        print(f"ratio    {results['ratio']:8.3f}  {verdict} the bound")
        print(f"         {results['processor_time_ratio']:8.3f}  by processor time")
    return 0 if results["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
