"""A finished or running run's weights, to evaluate or to export them again."""

from __future__ import annotations

from training.assemble import build_trainee
from training.errors import CheckpointError, UsageError
from training.model import Architecture
from training.modes.single import SingleMode
from training.run.checkpoints import Checkpoint, Checkpoints
from training.run.folder import RunFolder
from training.settings import Recipe
from training.trainee import Trainee


def restore(folder: RunFolder, recipe: Recipe, class_count: int, which: str) -> tuple[Trainee, int]:
    """Return the trainee as it was at a checkpoint (`last`, `best` or a step), and the step.

    Raises CheckpointError when there is none like that, UsageError for another word.
    """
    checkpoint = _find(Checkpoints(folder.checkpoints), which)
    architecture = Architecture(classes=class_count, stem=recipe.stem)
    trainee = build_trainee(recipe, architecture, SingleMode())
    trainee.restore(checkpoint.arrays)
    return trainee, checkpoint.position.step


def _find(checkpoints: Checkpoints, which: str) -> Checkpoint:
    if which == "last":
        newest, _ = checkpoints.newest()
        if newest is None:
            raise CheckpointError("the run has no checkpoint yet")
        return newest
    if which == "best":
        best = checkpoints.best_step()
        if best is None:
            raise CheckpointError("the run has no evaluated checkpoint yet")
        return checkpoints.load(best)
    if not which.isdigit():
        raise UsageError(f"--checkpoint {which}: expected last, best or a step's number")
    if int(which) not in checkpoints.steps():
        kept = ", ".join(str(step) for step in checkpoints.steps()) or "none"
        raise CheckpointError(f"no checkpoint of step {which}; there are {kept}")
    return checkpoints.load(int(which))
