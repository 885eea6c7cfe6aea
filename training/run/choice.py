"""Which run folder a training without `--run` takes."""

from __future__ import annotations

import itertools
from pathlib import Path

from training.run.folder import RunFolder
from training.settings import Recipe

RUNS = Path("runs")


def choose(name: str, recipe: Recipe, *, runs: Path = RUNS) -> Path:
    """Return `runs/NAME-N` with the lowest N that is free, or holds this run unfinished.

    So the same command goes on with what was interrupted, and begins anew after it is finished.
    """
    for number in itertools.count(1):
        path = runs / f"{name}-{number}"
        folder = RunFolder(path)
        settings = folder.settings()
        if settings is None:
            return path
        if folder.result() is None and _same(settings.recipe, recipe):
            return path
    raise AssertionError("itertools.count never ends")


def _same(recorded: Recipe, wanted: Recipe) -> bool:
    """Compare all but a precision of `auto`, which was resolved before it was recorded."""
    ignored = {"precision"} if wanted.precision == "auto" else set()
    return all(
        getattr(recorded, name) == getattr(wanted, name)
        for name in Recipe.__struct_fields__
        if name not in ignored
    )
