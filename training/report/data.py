"""What a report is made of, gathered from a run folder; the page itself reads no file."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from training import origin
from training.data.layout import ClassName
from training.data.prepared import PreparedData
from training.errors import RunFolderError
from training.evaluation.predictions import Predictions, read_predictions
from training.run.checkpoints import Checkpoints
from training.run.folder import Publication, Result, RunFolder, RunSettings
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.signature import SAVED_MODEL


class Sizes(msgspec.Struct, frozen=True):
    """Bytes on disk; of variants by name."""

    checkpoints: int
    checkpoint_count: int
    variants: dict[str, int]


class ReportData(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it stands: `result` and `predictions` are None until it is finished.

    `val_images` are uint8 [N, 64, 64, 3], in the order of the predictions; without `pictures`, the
    page shows none of them.
    """

    name: str
    settings: RunSettings
    classes: tuple[ClassName, ...]
    train_images: int
    val_images: NDArray[np.uint8]
    trained: tuple[TrainLine, ...]
    evaluated: tuple[EvalLine, ...]
    result: Result | None
    predictions: Predictions | None
    sizes: Sizes
    publications: tuple[Publication, ...]
    written_at: str
    pictures: bool = True

    @property
    def step(self) -> int:
        """Return how many steps are done, as far as they are logged."""
        if self.result is not None:
            return self.result.step
        steps = [line.step for line in self.trained] + [line.step for line in self.evaluated]
        return max(steps, default=0)

    @property
    def images_seen(self) -> int:
        """Return how many training images these steps took."""
        return self.step * self.images_a_step

    @property
    def images_a_step(self) -> int:
        """Return the images of one step, over all devices that share it."""
        line = next((line for line in self.trained if line.images_a_step), None)
        return line.images_a_step if line else self.settings.recipe.batch_size

    @property
    def images_per_s(self) -> float | None:
        """Return the mean speed of training; None when nothing is logged."""
        ends = sorted({0, *(e.step for e in self.trained), *(e.step for e in self.evaluated)})
        lengths = {end: end - start for start, end in itertools.pairwise(ends)}
        lines = [line for line in self.trained if line.images_per_s > 0]
        steps = sum(lengths[line.step] for line in lines)
        return steps / sum(lengths[e.step] / e.images_per_s for e in lines) if steps else None

    @property
    def training_s(self) -> float | None:
        """Return the time that the steps took together, without evaluations and pauses."""
        return self.images_seen / self.images_per_s if self.images_per_s else None


def settings_for(folder: RunFolder, data: PreparedData) -> RunSettings:
    """Return the run's settings. Raises RunFolderError when it is no run, or one of other data."""
    settings = folder.settings()
    if settings is None:
        raise RunFolderError(f"{folder.path}: not a run folder (settings.json is missing)")
    if settings.data_digest != data.digest:
        raise RunFolderError(
            f"{folder.path}: is a run of the data with digest {settings.data_digest[:12]}, not of "
            f"{data.folder} with {data.digest[:12]}"
        )
    return settings


def gather(folder: RunFolder, data: PreparedData, *, pictures: bool = True) -> ReportData:
    """Return what the folder holds. Raises RunFolderError when it is no run of this data."""
    settings = settings_for(folder, data)
    lines = MetricsLog(folder.metrics).lines()
    result = folder.result()
    predictions = read_predictions(folder.predictions) if result else None
    if predictions is not None and not np.array_equal(predictions.labels, data.val.labels):
        raise RunFolderError(f"{folder.predictions}: is of other images; delete it and try again")
    return ReportData(
        name=folder.path.resolve().name,
        settings=settings,
        classes=data.classes,
        train_images=len(data.train),
        val_images=data.val.images,
        trained=tuple(line for line in lines if isinstance(line, TrainLine)),
        evaluated=tuple(line for line in lines if isinstance(line, EvalLine)),
        result=result,
        predictions=predictions,
        sizes=_sizes(folder),
        publications=tuple(folder.publications()),
        written_at=origin.now(),
        pictures=pictures,
    )


def _sizes(folder: RunFolder) -> Sizes:
    saved_model = _bytes(folder.export / SAVED_MODEL) + _bytes(folder.export / "variables")
    others = {file.name: _bytes(file) for file in sorted(folder.export.glob("*.onnx"))}
    return Sizes(
        checkpoints=_bytes(folder.checkpoints),
        checkpoint_count=len(Checkpoints(folder.checkpoints).steps()),
        variants={SAVED_MODEL: saved_model} | others,
    )


def _bytes(path: Path) -> int:
    """Return the size of a file, or of all files below a folder; 0 when there is none."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
