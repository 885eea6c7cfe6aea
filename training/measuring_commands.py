"""What `train --dry-run` and `benchmark` do: they tell, and leave no file."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from training.data.resolve import resolve as resolve_data
from training.errors import DataError, UsageError
from training.modes.choose import check_mode
from training.progress import make_bars
from training.settings import Job, Recipe


def dry_run(job: Job, recipe: Recipe, *, as_json: bool) -> str:
    """Return what a run would be, as a table or as JSON. Raises a TrainingError."""
    check_mode(job, recipe)
    from training.outlook.outlook import look_ahead
    from training.outlook.text import outlook_text

    outlook = look_ahead(job, recipe)
    return msgspec.json.encode(outlook).decode() if as_json else outlook_text(outlook)


def measure_speeds(job: Job, recipe: Recipe, options: argparse.Namespace) -> str:
    """Return images a second, as lines or as JSON. Raises a TrainingError."""
    if options.windows < 1 or not options.seconds > 0:
        raise UsageError("--windows takes 1 or more, --seconds more than 0")
    check_mode(job, recipe)
    bars = make_bars()
    data = None if job.data is None else resolve_data(job.data, Path(job.cache), bars)
    if data is not None and len(data.train) < recipe.batch_size:
        raise DataError(
            f"{len(data.train)} training images don't fill a batch of {recipe.batch_size}"
        )
    from training.assemble import architecture_of
    from training.backend import tf
    from training.model import Architecture
    from training.outlook.benchmark import benchmark, speeds_text
    from training.precision import resolve as resolve_precision

    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    precision = resolve_precision(recipe.precision, has_gpu=has_gpu)
    recipe = msgspec.structs.replace(recipe, precision=precision)
    speeds = benchmark(
        recipe,
        None if data is None else data.train,
        bars,
        architecture=Architecture(stem=recipe.stem)
        if data is None
        else architecture_of(recipe, data),
        windows=options.windows,
        seconds=options.seconds,
    )
    return msgspec.json.encode(speeds).decode() if options.json else speeds_text(speeds)
