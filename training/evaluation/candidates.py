"""What `evaluate` measures: the variants of a version or an export, or a run's checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from model_store import open_store
from training.classes import read_classes
from training.data.layout import ClassName
from training.data.prepared import PreparedData
from training.errors import DataError, ExportError, RunFolderError, UsageError
from training.evaluation.evaluate import Predict
from training.evaluation.variants import open_onnx, open_saved_model
from training.progress import Bars
from training.restore import restore
from training.run.folder import RunFolder, RunSettings
from training.signature import CLASSES, SAVED_MODEL
from training.trainee import predictor
from training.weights.versions import VARIABLES, OpenStore, find_version, pulled

_ONNX = ".onnx"
_FINGERPRINT = "fingerprint.pb"


class Candidate(msgspec.Struct, frozen=True):
    """One model to measure: what to call it, how to open it, what its outputs mean."""

    name: str
    open: Callable[[], Predict]
    classes: tuple[ClassName, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks to be measured, and where versions are to be found."""

    what: str
    checkpoint: str | None = None
    variant: str | None = None
    store: str | None = None
    model: str = "resnet50"


@contextmanager
def find_candidates(
    wanted: Wanted, data: PreparedData, bars: Bars, *, opener: OpenStore = open_store
) -> Iterator[list[Candidate]]:
    """Have the models that are wanted ready to be opened, for a while.

    With a store, a version of it that is a number, a label or `latest`; else a run folder, a folder
    with variants and classes.json, or one ONNX file in such a folder. Raises UsageError,
    RunFolderError, ExportError or ShelfError when there is nothing like that.
    """
    if wanted.store is not None:
        if wanted.checkpoint is not None:
            raise UsageError("--checkpoint: a version has none; leave it or --store out")
        ref = find_version(wanted.store, wanted.model, wanted.what, opener=opener)
        with pulled(ref, lambda name: _needed(name, wanted.variant), bars, opener=opener) as folder:
            yield in_folder(folder, wanted.variant, origin=str(ref))
        return
    path = Path(wanted.what)
    run = RunFolder(path)
    settings = run.settings() if path.is_dir() else None
    if settings is not None:
        yield _of_run(run, settings, wanted, data)
    elif wanted.checkpoint is not None:
        raise RunFolderError(f"{path}: not a run folder (settings.json is missing)")
    elif path.is_file():
        yield in_folder(path.parent, path.name)
    elif path.is_dir():
        yield in_folder(path, wanted.variant)
    else:
        raise UsageError(f"{path}: no such file or folder; to measure a version, add --store URL")


def in_folder(folder: Path, variant: str | None, *, origin: str | None = None) -> list[Candidate]:
    """Return the variant in a folder, or all there are: the SavedModel, then each .onnx file."""
    found = variants_among([item.name for item in folder.iterdir()])
    if variant is not None:
        found = [name for name in found if name == variant]
    if not found:
        what = variant or f"{SAVED_MODEL} and no {_ONNX} file"
        raise ExportError(f"{origin or folder}: there is no {what}")
    classes = read_classes(folder)
    return [Candidate(name=name, open=_opening(folder, name), classes=classes) for name in found]


def variants_among(names: Sequence[str]) -> list[str]:
    """Return which of a folder's names hold a model, the SavedModel first."""
    models = sorted(name for name in names if name.endswith(_ONNX))
    return [SAVED_MODEL, *models] if SAVED_MODEL in names else models


def _needed(name: str, variant: str | None) -> bool:
    """Return whether a version's file is needed to run the variant, or any where it is None."""
    of_saved_model = name in {SAVED_MODEL, _FINGERPRINT} or name.startswith(VARIABLES)
    if variant is not None and name.endswith(_ONNX):
        return name == variant
    if variant is not None and of_saved_model:
        return variant == SAVED_MODEL
    return True


def _opening(folder: Path, name: str) -> Callable[[], Predict]:
    if name == SAVED_MODEL:
        return lambda: open_saved_model(folder)
    return lambda: open_onnx(folder / name)


def _of_run(
    run: RunFolder, settings: RunSettings, wanted: Wanted, data: PreparedData
) -> list[Candidate]:
    if wanted.checkpoint is None:
        if not run.export.is_dir():
            raise RunFolderError(f"{run.path}: has no export yet; give --checkpoint last")
        return in_folder(run.export, wanted.variant)
    if wanted.variant is not None:
        raise UsageError("--variant: a checkpoint has none; leave it or --checkpoint out")
    classes = _classes_of(run, settings, data)
    trainee, step = restore(run, settings.recipe, len(classes), wanted.checkpoint)
    name = f"checkpoint of step {step}"
    return [Candidate(name=name, open=lambda: predictor(trainee.result), classes=classes)]


def _classes_of(run: RunFolder, settings: RunSettings, data: PreparedData) -> tuple[ClassName, ...]:
    """Return what the run's outputs mean: written in its export, else those of the same data."""
    if (run.export / CLASSES).exists():
        return read_classes(run.export)
    if settings.data_digest == data.digest:
        return data.classes
    raise DataError(
        f"{run.path}: without an export, only the data that it is trained on tells its classes; "
        f"that has the digest {settings.data_digest[:12]}, this one has {data.digest[:12]}"
    )
