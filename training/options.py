"""Options that several commands have: run, checkpoint, data, and settings by their definitions."""

from __future__ import annotations

import argparse
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from training.settings import Job


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the run folder, without a dash before it."""
    parser.add_argument("run", metavar="RUN", help="a run folder, such as runs/quickstart-1")


def add_checkpoint(parser: argparse.ArgumentParser, default: str | None = "last") -> None:
    """Add the choice of one of a run's checkpoints."""
    explained = "default: last" if default else "without it, the export is measured"
    parser.add_argument(
        "--checkpoint",
        default=default,
        metavar="WHICH",
        help=f"last, best (on validation), or a step's number ({explained})",
    )


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add the data set, which has to be given."""
    parser.add_argument("--data", required=True, metavar="PATH", help=description(Job, "data"))


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Add what may be published although it is worse than what is in production."""
    parser.add_argument(
        "--gate",
        default=argparse.SUPPRESS,
        metavar="POINTS",
        help=f"{description(Job, 'gate')} (default: {Job().gate})",
    )
    parser.add_argument(
        "--allow-worse",
        action="store_true",
        default=argparse.SUPPRESS,
        help=description(Job, "allow_worse"),
    )


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add the folder of prepared data."""
    parser.add_argument(
        "--cache", default=".cache/data", metavar="DIR", help="default: .cache/data"
    )


def add_settings(group: Any, kind: type[msgspec.Struct]) -> None:
    """Add one option for each field; values stay text, and are checked with all others."""
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        option = "--" + field.name.replace("_", "-")
        shown = "" if field.default is None else f" (default: {field.default})"
        keywords: dict[str, Any] = {
            "dest": field.name,
            "default": argparse.SUPPRESS,
            "help": (description(kind, field.name) + shown).replace("%", "%%"),
        }
        if hints[field.name] is bool:
            keywords["action"] = argparse.BooleanOptionalAction
        elif get_origin(hints[field.name]) is Literal:
            keywords["choices"] = get_args(hints[field.name])
        else:
            keywords["metavar"] = _metavar(field.name)
        group.add_argument(option, **keywords)


def _metavar(name: str) -> str:
    words = {"data": "PATH", "cache": "DIR", "run": "DIR", "store": "URL", "model": "NAME"}
    words |= {"init_from": "WHAT", "init_store": "URL"}
    words |= {"hosts": "A:N,B:N", "ssh": "COMMAND", "discovery": "PROGRAM", "gate": "POINTS"}
    return words.get(name, "N")


def description(kind: type[msgspec.Struct], name: str) -> str:
    """Return what a setting's own definition says of it."""
    hint = get_type_hints(kind, include_extras=True)[name]
    text: str = hint.__metadata__[-1].description
    return text
