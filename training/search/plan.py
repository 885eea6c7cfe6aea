"""What a search tries: a TOML file with the settings that all trials share, and each one's own.

[all]
preset = "tiny-imagenet-cpu"
holdout = 0.1
max_steps = 1000

[try.as-it-is]

[try.growing]
resolution = "32@0,64@0.5"
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from training.errors import UsageError
from training.preset import load_preset
from training.settings import Job, Recipe, job_from, names_of, recipe_from

_SHARED, _TRIALS, _PRESET = "all", "try", "preset"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Trial(msgspec.Struct, frozen=True):
    """One recipe to try: its name, what it has of its own, and all of its settings."""

    name: str
    own: dict[str, Any]
    recipe: Recipe
    job: Job


def read_plan(file: Path) -> tuple[Trial, ...]:
    """Return the trials in the file's order. Raises UsageError for what can't be tried.

    Each has to hold images out: a recipe that is chosen by the validation images has seen them.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None
    unknown = sorted(content.keys() - {_SHARED, _TRIALS})
    if unknown or not isinstance(content.get(_TRIALS), dict) or not content[_TRIALS]:
        found = f"has {', '.join(unknown)}; " if unknown else ""
        raise UsageError(f"{file}: {found}needed are [{_SHARED}] and a [{_TRIALS}.NAME] or more")
    shared = content.get(_SHARED, {})
    return tuple(_trial(file, name, shared, own) for name, own in content[_TRIALS].items())


def _trial(file: Path, name: str, shared: dict[str, Any], own: dict[str, Any]) -> Trial:
    where = f"{file}: [{_TRIALS}.{name}]"
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: names are made of letters, digits, dots, dashes and _")
    given = shared | own
    values = load_preset(str(given.pop(_PRESET))) if _PRESET in given else {}
    unknown = sorted(given.keys() - names_of(Recipe) - names_of(Job))
    if unknown:
        raise UsageError(f"{where}: unknown settings: {', '.join(unknown)}")
    values |= given
    try:
        recipe = recipe_from({key: values[key] for key in names_of(Recipe) & values.keys()})
        job = job_from({key: values[key] for key in names_of(Job) & values.keys()})
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    if not recipe.holdout:
        raise UsageError(f"{where}: give a holdout, such as 0.1, in [{_SHARED}] or there")
    if job.run is not None or job.store is not None:
        raise UsageError(f"{where}: run and store aren't for trials")
    # Without an export there is nothing to make variants of, which a preset may ask for.
    job = msgspec.structs.replace(job, export=False, variants=None)
    return Trial(name, dict(own), recipe, job)
