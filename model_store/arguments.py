"""The command line's arguments."""

from __future__ import annotations

import argparse
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from model_store.gate import POINTS
from model_store.names import show

DEFAULT_MODEL = "resnet50"

_EPILOG = """\
A VERSION is a number, a label such as production, or latest.

environment:
  HOTSHELF_STORE                    the store, where --store isn't given
  HOTSHELF_USER                     who acts, in the history; default: the login name
  AZURE_STORAGE_CONNECTION_STRING   credentials of an az:// store, or
  AZURE_STORAGE_SAS_TOKEN           these, or what DefaultAzureCredential finds

exit codes:
  0 done   1 any other failure   2 wrong usage, name or folder   3 not found   4 conflict
  5 corrupt   6 unreachable   7 denied   8 no space   130 interrupted
"""
CONVERT_OPTIONS = (
    ("--signature", "NAME", "which to take (default: serving_default)"),
    ("--output", "NAME", "which to take where there are several"),
    ("--data-set", "PATH", "measure the model on the validation images of this"),
)
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_DURATION = re.compile(r"([0-9]{1,12})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# A century: far from what dates and waiting can't reckon with.
_LONGEST = timedelta(days=36_500)
_MOST_POINTS = 100


def duration(text: str) -> timedelta:
    """Parse 90s, 15m, 36h or 7d, up to a hundred years."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"{show(text)} isn't a duration; write 90s, 15m, 36h or 7d"
        )
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise argparse.ArgumentTypeError(f"{text} is too long; at most {_LONGEST.days}d will do")
    return timedelta(seconds=seconds)


def pause(text: str) -> timedelta:
    """Parse a duration of a second at least: a store isn't asked without a break."""
    found = duration(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no pause; write 1s or more")
    return found


def points(text: str) -> float:
    """Parse a number of points, 0 or more."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= _MOST_POINTS:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number from 0 to {_MOST_POINTS}")
    return found


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m model_store`."""
    parser = argparse.ArgumentParser(
        prog="python -m model_store",
        description="The shelf: publish, look up, label, pull and clean up versions of models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_reading(commands)
    _add_publishing(commands)
    _add_moving(commands)
    _add_steering(commands)
    _add_cleaning(commands)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    def default(value: object) -> object:
        # A subcommand's default must not undo what stood before the subcommand.
        return value if top else argparse.SUPPRESS

    parser.add_argument(
        "--store",
        metavar="URL",
        default=default(None),
        help="file:///folder or az://ACCOUNT/CONTAINER/PREFIX (default: $HOTSHELF_STORE)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        default=default(DEFAULT_MODEL),
        help=f"default: {DEFAULT_MODEL}",
    )
    parser.add_argument(
        "--json", action="store_true", default=default(False), help="print JSON, for programs"
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=default(False),
        help="show a traceback with an error",
    )


def _command(commands: _Commands, name: str, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    _add_common(parser, top=False)
    return parser


def _add_reading(commands: _Commands) -> None:
    parser = _command(commands, "list", "List the versions, newest first.")
    parser.add_argument("--all", action="store_true", help="all of them, not the newest 20")

    parser = _command(commands, "show", "Show one version: files, signature, metrics, lineage.")
    parser.add_argument("version", metavar="VERSION")

    _command(commands, "latest", "Print the number of the newest version.")
    _command(
        commands, "history", "Show who changed what when: labels, weights, loading, deletions."
    )

    parser = _command(commands, "diff", "Show two versions side by side.")
    parser.add_argument("left", metavar="VERSION")
    parser.add_argument("right", metavar="VERSION")

    parser = _command(commands, "watch", "Print each change of the catalog as it happens.")
    parser.add_argument(
        "--every",
        type=pause,
        default=timedelta(seconds=5),
        metavar="TIME",
        help="at least 1s; default: 5s",
    )
    parser.add_argument(
        "--changes", type=int, metavar="N", help="stop after N changes (default: never)"
    )

    parser = _command(commands, "pull", "Bring a version into a folder, every byte verified.")
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument("destination", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--file", action="append", dest="files", metavar="NAME", help="only this file (repeatable)"
    )

    parser = _command(commands, "verify", "Read every byte on the shelf and compare.")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="default: all")

    parser = _command(commands, "completion", "Print the shell's completion script.")
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def _add_publishing(commands: _Commands) -> None:
    parser = _command(commands, "publish", "Publish a folder as the next version.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--data",
        type=Path,
        metavar="FILE.json",
        help="FOLDER is ready; JSON with the keys signature, metrics and lineage, as in a"
        " manifest.json",
    )
    kind.add_argument(
        "--classes",
        type=Path,
        metavar="FILE.json",
        help="FOLDER is a SavedModel of other origin, to be converted; JSON: the names of its"
        " outputs, or objects with label, wnid and names (needs the training environment)",
    )
    parser.add_argument("--label", metavar="LABEL", help="and point this label at it")
    parser.add_argument(
        "--gate",
        type=points,
        default=POINTS,
        metavar="POINTS",
        help="refuse what is worse than the version labelled production by more points of top-1 "
        f"(default: {POINTS:g})",
    )
    parser.add_argument("--allow-worse", action="store_true", help="publish however bad it is")
    group = parser.add_argument_group(
        "with --classes", "Handed on to `python -m training convert`."
    )
    for option, metavar, text in CONVERT_OPTIONS:
        group.add_argument(option, metavar=metavar, help=text)


def _add_moving(commands: _Commands) -> None:
    parser = _command(commands, "label", "Point a label at a version.")
    parser.add_argument("label", metavar="LABEL")
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument(
        "--from",
        dest="expected",
        metavar="VERSION",
        help="refuse unless the label points there now ('none': unless it doesn't exist)",
    )

    parser = _command(commands, "unlabel", "Remove a label; the version stays.")
    parser.add_argument("label", metavar="LABEL")

    parser = _command(commands, "rollback", "Undo the last move of a label.")
    parser.add_argument("label", nargs="?", default="production", metavar="LABEL")


def _add_steering(commands: _Commands) -> None:
    parser = _command(
        commands, "weights", "Share requests that name no version out among versions, or show how."
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "weights",
        nargs="*",
        default=[],
        metavar="VERSION=WEIGHT",
        help="such as 6=90 7=10; none: show those that are set",
    )
    kind.add_argument("--clear", action="store_true", help="send all of them to one version again")

    parser = _command(commands, "load", "Have services load a version beside those they choose.")
    parser.add_argument("version", metavar="VERSION")

    parser = _command(commands, "unload", "Have services not choose a version any more.")
    parser.add_argument("version", metavar="VERSION")


def _add_cleaning(commands: _Commands) -> None:
    parser = _command(commands, "delete", "Delete a version for good.")
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument("--yes", action="store_true", help="don't ask")

    parser = _command(commands, "gc", "Remove what crashes left and no catalog names.")
    parser.add_argument(
        "--older-than",
        type=duration,
        default=timedelta(days=1),
        metavar="TIME",
        help="leave what is younger: somebody may be publishing it (default: 1d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell")
    parser.add_argument("--yes", action="store_true", help="don't ask")
