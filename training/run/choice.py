"""Which run folder a training without `--run` takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from training.data.resolve import resolve
from training.modes.spread import spread_of
from training.progress import make_bars
from training.run.folder import RunFolder, RunSettings
from training.settings import Job, Recipe

RUNS = Path("runs")


def digest_of(job: Job) -> str:
    """Return the digest of the job's data, preparing it where needed. Raises DataError."""
    return resolve(job.data, job.cache_folder, make_bars()).digest


def choose(
    name: str,
    job: Job,
    recipe: Recipe,
    *,
    runs: Path = RUNS,
    digest: Callable[[Job], str] = digest_of,
) -> Path:
    """Return `runs/NAME-N` with the lowest N that is free, or holds this run unfinished.

    So the same command goes on with what was interrupted, and begins anew after it is finished.
    The data is asked for its digest only where all else is the same. Raises UsageError or DataError
    for a job that couldn't run.
    """
    for number in itertools.count(1):
        path = runs / f"{name}-{number}"
        folder = RunFolder(path)
        settings = folder.settings()
        if settings is None:
            return path
        if folder.result() is None and _same(settings, job, recipe, digest):
            return path
    raise AssertionError("itertools.count never ends")


def _same(settings: RunSettings, job: Job, recipe: Recipe, digest: Callable[[Job], str]) -> bool:
    """Compare what decides the weights; see `training.run.folder.check_same_run`."""
    return (
        settings.mode == job.mode
        and _same_recipe(settings.recipe, recipe)
        and settings.world_size == spread_of(job).devices
        and settings.data_digest == digest(job)
    )


def _same_recipe(recorded: Recipe, wanted: Recipe) -> bool:
    """Compare all but a precision of `auto`, which was resolved before it was recorded."""
    ignored = {"precision"} if wanted.precision == "auto" else set()
    return all(
        getattr(recorded, name) == getattr(wanted, name)
        for name in Recipe.__struct_fields__
        if name not in ignored
    )
