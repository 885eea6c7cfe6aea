"""A long run of a tiny network that prints, as JSON, its memory in bytes after each checkpoint.

`python -m tests.training.programs.steady_run FOLDER STEPS`; every 200 steps an epoch ends with an
evaluation, every 100 there is a checkpoint, and everything that varies images is on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from tests.training.fakes import RecordedBars
from training.assemble import assemble, set_seeds
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.loop import run_loop
from training.model import Architecture
from training.modes.single import SingleMode
from training.position import Position
from training.run.folder import RunFolder
from training.settings import Recipe
from training.trainer import Trainer

STEPS_AN_EPOCH = 200
CHECKPOINT_EVERY = 100
CLASSES = 4


class Sampled:
    """A trainer's actions, and the memory after each checkpoint."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self.bytes: list[int] = []
        self.train = trainer.train
        self.evaluate = trainer.evaluate

    def save(self, now: Position) -> None:
        self._trainer.save(now)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.bytes.append(pages * os.sysconf("SC_PAGE_SIZE"))


def split(size: int) -> Split:
    images = np.random.default_rng(0).integers(0, 256, (size, 64, 64, 3), np.uint8)
    return Split(images=images, labels=np.arange(size, dtype=np.int32) % CLASSES)


def main(folder: Path, steps: int) -> None:
    recipe = Recipe(
        epochs=steps // STEPS_AN_EPOCH,
        steps_per_epoch=STEPS_AN_EPOCH,
        batch_size=8,
        ema=0.9,
        colour=0.4,
        erase=0.2,
        mixup=0.2,
        cutmix=1.0,
        precision="float32",
    )
    set_seeds(recipe)
    folder.mkdir(exist_ok=True)
    names = (str(number) for number in range(CLASSES))
    data = PreparedData(
        folder=folder,
        digest="",
        classes=tuple(ClassName(wnid=name, label=name, names=name) for name in names),
        train=split(256),
        val=split(64),
    )
    pieces = assemble(
        recipe=recipe,
        architecture=Architecture(classes=CLASSES, depths=(1,), width=2),
        mode=SingleMode(),
        folder=RunFolder(folder),
        data=data,
        bars=RecordedBars(),
        checkpoint_every=CHECKPOINT_EVERY,
        should_stop=lambda: False,
    )
    sampled = Sampled(pieces.trainer)
    run_loop(pieces.plan, Position(), sampled, resumed=False, should_stop=lambda: False)
    print(json.dumps(sampled.bytes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
