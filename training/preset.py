"""Presets: TOML files with the settings of a run whose result is known."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from training.errors import UsageError
from training.settings import Job, Recipe, names_of

FOLDER = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """Return the names of the presets that come with Hotshelf."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_preset(name: str) -> dict[str, Any]:
    """Return the values of the preset `name`, or of the TOML file it is a path of.

    Raises UsageError for an unknown name, a file that isn't TOML, and a key that isn't a setting.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(preset_names())
        raise UsageError(f"no preset {name}; there are {known}, or give a .toml file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    unknown = sorted(values.keys() - names_of(Recipe) - names_of(Job))
    if unknown:
        raise UsageError(f"{path}: unknown settings: {', '.join(unknown)}")
    return values
