"""A finished or running run's weights, to evaluate or to export them again."""

from __future__ import annotations

from training.assemble import architecture_of, build_trainee
from training.checkpoint import Checkpoint, Checkpoints
from training.classes import read_classes
from training.data.prepared import PreparedData
from training.errors import CheckpointError, DataError, RunFolderError, UsageError
from training.evaluate import Predict
from training.modes.single import SingleMode
from training.run_folder import RunFolder
from training.settings import Recipe
from training.signature import ONNX, SAVED_MODEL
from training.trainee import Trainee, predictor
from training.variants import open_onnx, open_saved_model


def restore(
    folder: RunFolder, recipe: Recipe, data: PreparedData, which: str
) -> tuple[Trainee, int]:
    """Return the trainee as it was at a checkpoint (`last`, `best` or a step), and the step.

    Raises CheckpointError when there is none like that, UsageError for another word.
    """
    checkpoint = _find(Checkpoints(folder.checkpoints), which)
    trainee = build_trainee(recipe, architecture_of(recipe, data), SingleMode())
    trainee.restore(checkpoint.arrays)
    return trainee, checkpoint.position.step


def predictors(
    folder: RunFolder, recipe: Recipe, data: PreparedData, which: str | None
) -> dict[str, Predict]:
    """Return what to evaluate, by name: a checkpoint, or both variants of the export."""
    if which is not None:
        trainee, step = restore(folder, recipe, data, which)
        return {f"checkpoint of step {step}": predictor(trainee.result)}
    if not folder.export.is_dir():
        raise RunFolderError(f"{folder.path}: has no export yet; give --checkpoint last")
    if read_classes(folder.export) != data.classes:
        raise DataError(f"{folder.export}: was trained on other classes than this data has")
    return {
        SAVED_MODEL: open_saved_model(folder.export),
        ONNX: open_onnx(folder.export / ONNX),
    }


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
