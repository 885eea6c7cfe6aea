"""A whole run of a tiny network on made-up images: what ranks run, and a single process too.

`python -m tests.training.modes.programs.tiny_run FOLDER` is one rank of the run that `plan.json` in
the folder asks for; it leaves `rank-N.npz` there, with every variable.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tests.training.fakes import RecordedBars
from training.assemble import Pieces, assemble, set_seeds
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.loop import run_loop
from training.model import Architecture
from training.modes.base import Mode
from training.modes.horovod import HorovodMode
from training.modes.horovod_rank import as_rank
from training.position import Position
from training.run.checkpoints import Arrays
from training.run.folder import RunFolder
from training.settings import Recipe
from training.threads import use_threads

CLASSES = tuple(
    ClassName(wnid=f"n{number:08}", label=str(number), names=str(number)) for number in range(4)
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: a recipe, the size of the network, and at which step the last rank dies."""

    recipe: Recipe
    depths: tuple[int, ...] = (1,)
    width: int = 4
    dies_at: int | None = None


def data(*, train: int = 64, val: int = 600) -> PreparedData:
    return PreparedData(
        folder=Path("made-up"),
        digest="0" * 64,
        classes=CLASSES,
        train=_split(train, seed=1),
        val=_split(val, seed=2),
    )


def _split(size: int, *, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    labels = np.arange(size, dtype=np.int32) % len(CLASSES)
    images = generator.integers(0, 128, (size, 64, 64, 3), np.uint8)
    images += (labels * 30).astype(np.uint8)[:, None, None, None]
    return Split(images=images, labels=labels)


def run(plan: Plan, mode: Mode, folder: Path) -> Arrays:
    """Train to the end; return every variable."""
    set_seeds(plan.recipe)
    folder.mkdir(exist_ok=True)
    pieces = assemble(
        recipe=plan.recipe,
        architecture=Architecture(classes=len(CLASSES), depths=plan.depths, width=plan.width),
        mode=mode,
        folder=RunFolder(folder),
        data=data(),
        bars=RecordedBars(),
        checkpoint_every=None,
        should_stop=lambda: False,
    )
    mode.share_variables(pieces.trainee.variables)
    dies = plan.dies_at is not None and mode.index == mode.count - 1
    actions: Any = _Dying(pieces, plan.dies_at or 0) if dies else pieces.trainer
    run_loop(
        pieces.plan, Position(), actions, resumed=False, should_stop=pieces.trainer.should_stop
    )
    return pieces.trainee.arrays()


class _Dying:
    """The trainer's actions, until the step at which the process dies."""

    def __init__(self, pieces: Pieces, dies_at: int) -> None:
        self._trainer = pieces.trainer
        self._dies_at = dies_at
        self.evaluate = pieces.trainer.evaluate
        self.save = pieces.trainer.save

    def train(self, now: Position) -> Position:
        if now.step == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._trainer.train(now)


def main(folder: Path) -> None:
    plan = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    use_threads(1, processes_here=1)
    mode = HorovodMode(compress=plan.recipe.compress, sync_norm=plan.recipe.sync_norm)
    arrays: dict[str, Any] = dict(run(plan, mode, folder / "run"))
    np.savez(folder / f"rank-{mode.index}.npz", **arrays)


if __name__ == "__main__":
    as_rank(lambda: main(Path(sys.argv[1])))
