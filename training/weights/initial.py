"""What a run begins with when it doesn't begin from scratch: `--init-from`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from model_store import open_store
from training.classes import read_classes
from training.data.layout import ClassName
from training.errors import RunFolderError, UsageError, WeightsError
from training.progress import Bars
from training.run.checkpoints import Checkpoints
from training.run.folder import Initial, RunFolder, RunSettings
from training.settings import Job, Recipe
from training.signature import CLASSES, SAVED_MODEL
from training.weights.files import read_weights_file
from training.weights.versions import (
    OpenStore,
    VersionRef,
    find_version,
    read_saved_model,
    read_version,
)
from training.weights.weights import Weights

_FILES = {".h5", ".hdf5", ".keras"}
_MODEL, _AVERAGE = "model/", "average/"


class Start(msgspec.Struct, frozen=True):
    """Where a run's weights are from; without `weights` if it has gone on from them already."""

    record: Initial
    weights: Weights | None


def find_start(
    job: Job,
    recipe: Recipe,
    folder: RunFolder,
    *,
    data_digest: str,
    classes: tuple[ClassName, ...],
    bars: Bars,
    opener: OpenStore = open_store,
) -> Start | None:
    """Return the weights that the recipe asks to begin with; None when it asks for none.

    A run that has begun stays with what it began with, even if `latest` is another version now or
    the store is away; a file that has changed since is refused with RunFolderError. Raises
    WeightsError, ShelfError or UsageError when there is nothing to begin with.
    """
    check_freezing(recipe)
    if recipe.init_from is None:
        return None
    begun = _begun(folder, recipe)
    under_way = begun is not None and bool(Checkpoints(folder.checkpoints).steps())
    path = Path(recipe.init_from)
    if begun is not None and begun.version is not None:
        _check_store(folder, begun, job, opener)
        if under_way:
            return Start(begun, None)
        ref = VersionRef(begun.store or "", begun.model or "", begun.version)
        start = _from_version(ref, bars, opener)
    elif under_way and begun is not None and not path.is_file():
        return Start(begun, None)
    elif path.exists():
        weights = read_path(path, data_digest=data_digest, classes=classes)
        start = Start(Initial(origin=str(path), sha256=weights.digest), weights)
    else:
        start = _from_version(_version(job, recipe.init_from, opener), bars, opener)
    if begun is not None and begun.sha256 != start.record.sha256:
        raise RunFolderError(
            f"{folder.path} began with other weights than {recipe.init_from} holds now (SHA-256 "
            f"{begun.sha256[:12]} → {start.record.sha256[:12]}); give another --run to begin anew"
        )
    return start


def check_freezing(recipe: Recipe) -> None:
    """Raise UsageError for a backbone that would be fixed untrained."""
    if recipe.freeze != "none" and recipe.init_from is None:
        raise UsageError(
            f"--freeze {recipe.freeze}: nothing is trained yet; give --init-from as well"
        )


def read_path(path: Path, *, data_digest: str, classes: tuple[ClassName, ...]) -> Weights:
    """Return the weights of a file, a run folder, a checkpoint's or a SavedModel's folder.

    `classes` are those of the data with that digest: a run that saw the same data has them too.
    """
    if path.is_file():
        return read_weights_file(path)
    folder = RunFolder(path)
    settings = folder.settings()
    if settings is not None:
        same = settings.data_digest == data_digest
        return read_run(folder, classes=classes if same else None)
    if (path / SAVED_MODEL).exists():
        return read_saved_model(path)
    raise WeightsError(
        f"{path}: neither a run folder (no settings.json) nor a SavedModel (no {SAVED_MODEL})"
    )


def read_run(folder: RunFolder, *, classes: tuple[ClassName, ...] | None) -> Weights:
    """Return the weights of the run's newest checkpoint, the moving average where it has one."""
    checkpoint, _ = Checkpoints(folder.checkpoints).newest()
    if checkpoint is None:
        raise WeightsError(f"{folder.path}: this run has no checkpoint yet to begin with")
    names = checkpoint.arrays.keys()
    prefix = _AVERAGE if any(name.startswith(_AVERAGE) for name in names) else _MODEL
    arrays = {
        name.removeprefix(prefix): array
        for name, array in checkpoint.arrays.items()
        if name.startswith(prefix)
    }
    if classes is None and (folder.export / CLASSES).exists():
        classes = read_classes(folder.export)
    origin = f"{folder.path} after step {checkpoint.position.step}"
    return Weights(arrays=arrays, origin=origin, classes=classes)


def _begun(folder: RunFolder, recipe: Recipe) -> Initial | None:
    """Return what the run in the folder began with, if it is the one that is asked for."""
    settings: RunSettings | None = folder.settings()
    if settings is None or settings.recipe.init_from != recipe.init_from:
        return None
    return settings.initial


def _check_store(folder: RunFolder, begun: Initial, job: Job, opener: OpenStore) -> None:
    if job.init_store is not None and opener(job.init_store).url != begun.store:
        raise RunFolderError(
            f"{folder.path} began with {begun.origin}, not with a version of {job.init_store}; "
            "give another --run to begin anew"
        )


def _version(job: Job, which: str, opener: OpenStore) -> VersionRef:
    url = job.init_store or job.store
    if "/" in which or Path(which).suffix in _FILES:
        raise WeightsError(f"--init-from {which}: no such file or folder")
    if url is None:
        raise WeightsError(
            f"--init-from {which}: no such file or folder; to begin with a version, say where it "
            "is with --init-store URL (or --store)"
        )
    return find_version(url, job.model, which, opener=opener)


def _from_version(ref: VersionRef, bars: Bars, opener: OpenStore) -> Start:
    weights = read_version(ref, bars, opener=opener)
    record = Initial(
        origin=str(ref),
        sha256=weights.digest,
        store=ref.store,
        model=ref.model,
        version=ref.version,
    )
    return Start(record, weights)
