"""Settings back to the options that say them, for the processes that a mode starts."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import msgspec

from training.settings import Job, Recipe


def train_arguments(job: Job, recipe: Recipe, run: Path, *, debug: bool = False) -> list[str]:
    """Return what follows `python -m training` to train with these very settings.

    A preset's settings are among them, so that other machines needn't have its file.
    """
    job = msgspec.structs.replace(job, run=str(run))
    arguments = ["train", *options_of(job), *options_of(recipe)]
    return [*arguments, "--debug"] if debug else arguments


def options_of(settings: msgspec.Struct) -> list[str]:
    """Return the options of all settings that aren't what they are without any."""
    hints = get_type_hints(type(settings))
    default = type(settings)()
    options = []
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value == getattr(default, name):
            continue
        option = name.replace("_", "-")
        if hints[name] is bool:
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options.append(f"--{option}={value}")
    return options
