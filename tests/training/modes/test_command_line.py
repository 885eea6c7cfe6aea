"""Settings to options and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from training.modes.command_line import options_of, train_arguments
from training.parser import make_parser
from training.settings import Job, Recipe, job_from, names_of, recipe_from

# Where not every value is one, or another setting has to go with it.
FITTING: dict[str, dict[str, Any]] = {
    "calibrate": {"calibrate": True, "holdout": 0.1},
    "resolution": {"resolution": "32@0,64@0.5"},
    "variants": {"variants": "int8,fp16"},
}


def parsed(arguments: list[str]) -> tuple[Job, Recipe]:
    values = vars(make_parser().parse_args(arguments))
    job = job_from({name: values[name] for name in names_of(Job) & values.keys()})
    return job, recipe_from({name: values[name] for name in names_of(Recipe) & values.keys()})


def unusual(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """For each setting a value that isn't its default."""
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        default = getattr(kind(), name)
        if hint is bool:
            values[name] = not default
        elif get_origin(hint) is not None and str in map(type, get_args(hint)):
            values[name] = next(each for each in get_args(hint) if each != default)
        elif hint in (str, str | None):
            values[name] = "-o 'it is'"
        else:
            values[name] = (default or 0) + 1 if hint in (int, int | None) else 0.25
    return values


@pytest.mark.parametrize("name", sorted(names_of(Job)))
def test_each_setting_of_the_job_survives_the_way_to_another_process(name: str) -> None:
    job = job_from(FITTING.get(name) or {name: unusual(Job)[name]})
    assert parsed(["train", *options_of(job)]) == (job, Recipe())


@pytest.mark.parametrize("name", sorted(names_of(Recipe)))
def test_each_setting_of_the_recipe_survives_the_way_to_another_process(name: str) -> None:
    recipe = recipe_from(FITTING.get(name) or {name: unusual(Recipe)[name]})
    assert recipe != Recipe()
    assert parsed(["train", *options_of(recipe)]) == (Job(), recipe)


def test_the_run_folder_is_chosen_once() -> None:
    job, recipe = Job(mode="horovod", processes=2), Recipe(seed=4)
    arguments = train_arguments(job, recipe, Path("runs/x-3"))
    assert parsed(arguments) == (msgspec.structs.replace(job, run="runs/x-3"), recipe)
    assert "--debug" not in arguments
    assert train_arguments(job, recipe, Path("x"), debug=True)[-1] == "--debug"
