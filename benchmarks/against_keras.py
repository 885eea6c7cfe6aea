"""A recipe of ours beside a plain Keras script: the same images, the same time, a core each.

    python -m benchmarks.against_keras [--minutes 100] [--preset cpu-2h]
        [--data tiny-imagenet-200] [--save]

Both train a ResNet-50 from scratch and are asked for their top-1 on the validation images ten times
on the way. They run at the same time, each kept to a core of its own, so that whatever else the
machine does slows both down. The plain script is what its authors' guides begin with:
`keras.applications.ResNet50` on scaled and flipped images, Adam with its defaults, batches of 64,
`fit`, until the time is over. Ours gets as many steps as should fit the time, evaluations included,
by a look at its speed before. Start-up isn't in that, so a run of a few minutes takes longer than
asked for; each look tells when it really was.

`--save` writes `benchmarks/results/against_keras.json` and `docs/images/against-keras.svg`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.bar_chart import Bar, Panel, bar_chart
from benchmarks.results_file import write_results

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "against-keras.svg"
LOOKS = 10
BATCH = 64
# Of the steps that the time has room for: speeds are looked at without the evaluations.
MARGIN = 0.85
AFTERWARDS = ("variants", "calibrate", "holdout")
HOTSHELF, KERAS = "Hotshelf", "plain Keras"


class Point(msgspec.Struct, frozen=True):
    """What a model knew after so many minutes."""

    minutes: float
    top1: float


def main() -> int:
    """Run both, print what they reached, keep the results if asked to."""
    options = parse()
    if options.plain is not None:
        train_plainly(options.data, options.minutes, options.plain)
        return 0
    from training.outlook.machine import this_machine

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("it needs two cores, one for each side")
    with tempfile.TemporaryDirectory(prefix="hotshelf-against-keras-") as folder:
        found = side_by_side(Path(folder), cores[:2], options)
    for name, points in found.items():
        print(f"{name}: top-1 {points[-1].top1:.2%} after {points[-1].minutes:.1f} minutes")
    if options.save:
        command = " ".join(["python -m benchmarks.against_keras", *sys.argv[1:]])
        results = {name: msgspec.to_builtins(points) for name, points in found.items()}
        print(
            write_results(
                "against_keras", command=command, machine=str(this_machine()), results=results
            )
        )
        FIGURE.write_text(figure(found, options.minutes), "utf-8")
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.against_keras",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=100)
    parser.add_argument("--preset", default="cpu-2h")
    parser.add_argument("--data", default="tiny-imagenet-200")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def side_by_side(
    work: Path, cores: Sequence[int], options: argparse.Namespace
) -> dict[str, list[Point]]:
    """Return what both sides knew, by minutes since they were started."""
    run, plain = work / "run", work / "plain.jsonl"
    recipe = ["--preset", str(bare_recipe(options.preset, work)), "--data", options.data]
    steps = steps_within(options.minutes, recipe, cores[0])
    ours = [
        *("-m", "training", "train", *recipe, "--run", str(run), "--no-export"),
        *("--epochs", str(LOOKS), "--steps-per-epoch", str(max(1, steps // LOOKS))),
    ]
    theirs = [
        *("-m", "benchmarks.against_keras", "--plain", str(plain)),
        *("--data", options.data, "--minutes", str(options.minutes)),
    ]
    began = time.time()
    sides = [start(ours, cores[0], work / "ours.log"), start(theirs, cores[1], work / "theirs.log")]
    try:
        for side, log in zip(sides, ("ours.log", "theirs.log"), strict=True):
            if side.wait() != 0:
                raise SystemExit(f"{log}: {(work / log).read_text()[-2000:]}")
    finally:
        for side in sides:
            side.send_signal(signal.SIGTERM)
    return {
        HOTSHELF: our_points(run / "metrics.jsonl", began),
        KERAS: [msgspec.json.decode(line, type=Point) for line in plain.read_text().splitlines()],
    }


def bare_recipe(preset: str, work: Path) -> Path:
    """Return a file of the preset without what comes after training, and what that needs."""
    from training.preset import load_preset

    kept = {key: value for key, value in load_preset(preset).items() if key not in AFTERWARDS}
    path = work / "recipe.toml"
    # Its values are texts, numbers and switches, which JSON writes as TOML does.
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in kept.items()))
    return path


def start(arguments: Sequence[str], core: int, log: Path) -> subprocess.Popen[bytes]:
    """Start this Python with the arguments on one core."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["taskset", "--cpu-list", str(core), sys.executable, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def steps_within(minutes: float, recipe: Sequence[str], core: int) -> int:
    """Return how many steps of the recipe fit the time on one core, with a margin."""
    from training.preset import load_preset
    from training.resolution import parse_resolutions

    preset = load_preset(recipe[1])
    stages = parse_resolutions(preset.get("resolution", "64")).steps(1000)
    step_s = sum(part / 1000 * measured_step_s(side, recipe, core) for side, part in stages)
    return int(MARGIN * 60 * minutes / step_s)


def measured_step_s(side: int, recipe: Sequence[str], core: int) -> float:
    """Return the seconds of a step on images of so many pixels a side."""
    command = [
        *("taskset", "--cpu-list", str(core), sys.executable, "-m", "training", "benchmark"),
        *(*recipe, "--resolution", str(side), "--windows", "3", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    images_s: float = statistics.median(found["real_data"]["windows"])
    return float(found["recipe"]["batch_size"]) / images_s


def our_points(metrics: Path, began: float) -> list[Point]:
    """Return the evaluations in a run's log, in minutes since `began` (s since the epoch)."""
    lines = map(json.loads, metrics.read_text("utf-8").splitlines())
    return [
        Point((line["at"] - began) / 60, line["top1"]) for line in lines if line["kind"] == "eval"
    ]


def train_plainly(data: str, minutes: float, out: Path) -> None:
    """Train as a newcomer's script does until the time is over; write a `Point` a line."""
    ends_in_s = 60 * minutes
    began = time.monotonic()
    from training.backend import keras, tf
    from training.data.resolve import resolve
    from training.progress import SilentBars
    from training.settings import Job

    tf.config.threading.set_intra_op_parallelism_threads(1)
    prepared = resolve(data, Path(Job().cache), SilentBars())
    keras.utils.set_random_seed(0)
    images = keras.Input((64, 64, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(images)
    flipped = keras.layers.RandomFlip("horizontal")(scaled)
    network = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=prepared.class_count
    )
    model = keras.Model(images, network(flipped))
    model.compile("adam", "sparse_categorical_crossentropy")

    class Clock(keras.callbacks.Callback):
        """Looks at the validation images ten times, and stops with the last look."""

        looks = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch, logs
            if time.monotonic() - began < ends_in_s * (self.looks + 1) / LOOKS:
                return
            self.looks += 1
            right = sum(
                int((guesses(start).argmax(1) == prepared.val.labels[start : start + BATCH]).sum())
                for start in range(0, len(prepared.val), BATCH)
            )
            point = Point((time.monotonic() - began) / 60, right / len(prepared.val))
            with out.open("ab") as file:
                file.write(msgspec.json.encode(point) + b"\n")
            if self.looks == LOOKS:
                self.model.stop_training = True

    def guesses(start: int) -> Any:
        return np.asarray(model.predict_on_batch(prepared.val.images[start : start + BATCH]))

    model.fit(
        prepared.train.images, prepared.train.labels,
        batch_size=BATCH, epochs=1_000_000, callbacks=[Clock()], verbose=2,
    )  # fmt: skip


def figure(found: Mapping[str, Sequence[Point]], minutes: float) -> str:
    """Return the SVG: for each tenth of the time, what each side had reached by its last look."""
    marks = [minutes * (look + 1) / LOOKS for look in range(LOOKS)]
    # A look takes a while, so the one that belongs to a mark comes shortly after it.
    slack = minutes / LOOKS / 2
    panel = Panel(
        "top-1 on the validation images, %",
        groups=[f"{mark:.0f}" for mark in marks],
        series={
            name: [reached(points, mark + slack) for mark in marks]
            for name, points in found.items()
        },
    )
    return bar_chart("ResNet-50 on Tiny ImageNet, a core each", [panel], groups="minutes")


def reached(points: Sequence[Point], by_minutes: float) -> Bar | None:
    """Return the last top-1 that was known by then, in percent."""
    known = [100 * each.top1 for each in points if each.minutes <= by_minutes]
    return Bar(known[-1], known[-1], known[-1]) if known else None


if __name__ == "__main__":
    sys.exit(main())
