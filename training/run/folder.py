"""The folder of one run: what is where, and whose run it is.

- `settings.json`: what was asked for and of which data; a run is resumed only with the same
- `metrics.jsonl`: losses and accuracies by step
- `tensorboard/`: the same for TensorBoard
- `checkpoints/`: see `training.run.checkpoints`
- `export/`: SavedModel, model.onnx, classes.json: what is published
- `predictions.npz`: what the export answers for each validation image
- `report.html`: all of this as a page
- `MODEL_CARD.md`: what goes along with the model, where `report --card` was asked for
- `result.json`: written when the export has been checked: the run is finished
- `published.json`: the stores that have it, and under which version
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from training.errors import RunFolderError
from training.evaluation.evaluate import Scores
from training.outlook.machine import Machine
from training.progress import Bars
from training.settings import Recipe, differences
from training.variants.settings import Quantization

FORMAT = 1

_T = TypeVar("_T")


class Initial(msgspec.Struct, frozen=True, kw_only=True):
    """The weights that a run began with, and which version they are if they were published."""

    origin: str
    sha256: str
    store: str | None = None
    model: str | None = None
    version: int | None = None


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the weights (mode to recipe), and where it ran.

    `resumed_with` are the versions of the code that went on with it, where they are others than the
    one before; runs of older versions have none.
    """

    format: int = FORMAT
    mode: str
    world_size: int
    data_digest: str
    recipe: Recipe
    code_version: str
    host: str
    started_at: str
    initial: Initial | None = None
    resumed_with: tuple[str, ...] = ()

    @property
    def code_versions(self) -> tuple[str, ...]:
        """Return the versions of the code that worked on the run, in order."""
        return (self.code_version, *self.resumed_with)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The checked export: each variant's accuracy, and how far they are from each other.

    `machine` is where it was made; None in results of older versions. `quantization` is how the
    int8 variant was made, None without one; by `temperature` the export divides its logits.
    """

    step: int
    finished_at: str
    variants: dict[str, Scores]
    max_difference: float
    agreement: float
    machine: Machine | None = None
    quantization: Quantization | None = None
    temperature: float | None = None


class Publication(msgspec.Struct, frozen=True):
    """One version that this run's export became."""

    store: str
    model: str
    version: int


class RunFolder:
    """Paths and records of a run; makes nothing until something is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tensorboard"
        self.checkpoints = path / "checkpoints"
        self.export = path / "export"
        self.predictions = path / "predictions.npz"
        self.report = path / "report.html"
        self.card = path / "MODEL_CARD.md"
        self.lock = path / "run.lock"
        self._settings = path / "settings.json"
        self._result = path / "result.json"
        self._published = path / "published.json"

    def settings(self) -> RunSettings | None:
        """Return the settings of the run that began here, None when none did."""
        return _read(self._settings, RunSettings)

    def result(self) -> Result | None:
        """Return the result, None while the run isn't finished."""
        return _read(self._result, Result)

    def publications(self) -> list[Publication]:
        """Return where the export was published, oldest first."""
        return _read(self._published, list[Publication]) or []

    def write_settings(self, settings: RunSettings) -> None:
        """Begin a run here. Raises RunFolderError when the folder can't be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _write(self._settings, settings)
        except OSError as error:
            raise RunFolderError(f"{self.path}: {error.strerror}") from None

    def write_result(self, result: Result) -> None:
        """Record that the export is complete and was checked."""
        _write(self._result, result)

    def forget_result(self) -> None:
        """Call the run unfinished: its export is about to be replaced."""
        self.predictions.unlink(missing_ok=True)
        self._result.unlink(missing_ok=True)

    def add_publication(self, publication: Publication) -> None:
        """Record one more published version."""
        _write(self._published, [*self.publications(), publication])


def begin_or_resume(folder: RunFolder, wanted: RunSettings, bars: Bars) -> RunSettings:
    """Return the settings of the run in the folder, which begins where there is none.

    That other code goes on with it than began it is said, and written down. Raises RunFolderError
    for another run than the one in the folder.
    """
    existing = folder.settings()
    if existing is None:
        folder.write_settings(wanted)
        bars.say(f"run folder: {folder.path}")
        return wanted
    check_same_run(folder.path, existing, wanted)
    before, now = existing.code_versions[-1], wanted.code_version
    if before == now or folder.result() is not None:
        return existing
    bars.say(f"going on with code {now}; what this run has done so far is of code {before}")
    resumed = msgspec.structs.replace(existing, resumed_with=(*existing.resumed_with, now))
    folder.write_settings(resumed)
    return resumed


def check_same_run(folder: Path, old: RunSettings, new: RunSettings) -> None:
    """Raise RunFolderError, saying what differs, unless the new run would be the old one."""
    parts = differences(old.recipe, new.recipe)
    for name, label in (("mode", "mode"), ("world_size", "devices"), ("data_digest", "data")):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            parts.append(f"{label} {str(before)[:12]} → {str(after)[:12]}")
    if parts:
        raise RunFolderError(
            f"{folder} holds a run with other settings ({', '.join(parts)}); "
            "give the same settings to go on with it, or another --run to begin a new one"
        )


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RunFolderError(f"{path}: {error}") from None


def _write(path: Path, value: object) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
