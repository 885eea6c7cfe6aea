"""The input pipeline alone: augmented training images a second, for each part of the recipe.

    python -m benchmarks.input_pipeline [--batch-size 128] [--windows 7] [--seconds 1] [--json]

Batches come out of `training.data.pipeline` as a run gets them, over 20,000 drawn images in
memory; nothing is trained. All parts are measured in turn, window by window, so that a busy machine
slows all of them; medians are reported.
Exit code 1 where crop, flip and colour together stay below 10,000 images/s.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from benchmarks.results_file import write_results
from training.data.batches import Augmentation, Batches
from training.data.pipeline import training_dataset
from training.data.prepared import Split
from training.outlook.machine import this_machine
from training.outlook.throughput import Throughput, measure

BOUND = 10_000
JUDGED = "crop, flip, colour"
COLOUR = Augmentation(colour=0.4)
PARTS = {
    "nothing": Augmentation(crop_padding=0, flip=False),
    "crop, flip": Augmentation(),
    JUDGED: COLOUR,
    "crop, flip, erase": Augmentation(erase=0.25),
    "crop, flip, colour, mixup": msgspec.structs.replace(COLOUR, mixup=0.2),
    "crop, flip, colour, cutmix": msgspec.structs.replace(COLOUR, cutmix=1.0),
    "everything": Augmentation(colour=0.4, erase=0.25, mixup=0.2, cutmix=1.0),
}
IMAGES = 20_000


def drawn_split() -> Split:
    """Return random images; the pipeline's work doesn't depend on what they show."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 64, 64, 3), np.uint8)
    return Split(images=images, labels=rng.integers(0, 200, IMAGES, np.int32))


def elements(split: Split, augmentation: Augmentation, batch_size: int) -> Iterator[Any]:
    """Return the endless elements of a run."""
    batches = Batches(split, batch_size=batch_size, seed=0, augmentation=augmentation)
    return iter(training_dataset(batches, first_step=0, last_step=2**31))


def run(batch_size: int, windows: int, seconds: float) -> dict[str, Throughput]:
    """Return the throughput of each part."""
    split = drawn_split()
    rates: dict[str, list[float]] = {name: [] for name in PARTS}
    for each in range(windows + 1):
        for name, augmentation in PARTS.items():
            # Only one pipeline at a time: a waiting one would go on filling its buffer.
            source = elements(split, augmentation, batch_size)
            for _ in range(20):
                next(source)
            taken = measure(source.__next__, images=batch_size, windows=1, seconds=seconds)
            if each:  # the first round warms up
                rates[name].extend(taken.windows)
            del source
    return {name: Throughput(tuple(windows)) for name, windows in rates.items()}


def main() -> int:
    """Measure, print, keep the results, and tell by the exit code whether the bound holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--windows", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-file", action="store_true", help="don't write benchmarks/results")
    args = parser.parse_args()
    measured = run(args.batch_size, args.windows, args.seconds)
    machine = this_machine()
    results = {
        "images_per_s": {name: round(each.median) for name, each in measured.items()},
        "spread": {name: round(each.spread, 3) for name, each in measured.items()},
        "batch_size": args.batch_size,
        "bound": BOUND,
        "good": measured[JUDGED].median >= BOUND,
    }
    if not args.no_file:
        command = "python -m benchmarks.input_pipeline " + " ".join(sys.argv[1:])
        facts = msgspec.to_builtins(machine)
        write_results("input_pipeline", command=command.strip(), machine=facts, results=results)
    if args.json:
        print(json.dumps(results))
        return 0 if results["good"] else 1
    print(machine)
    for name, each in measured.items():
        print(f"{name:28} {each.median:>9,.0f} images/s  (windows within {each.spread:.0%})")
    print("within bounds" if results["good"] else "MISSES ITS BOUND")
    return 0 if results["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
