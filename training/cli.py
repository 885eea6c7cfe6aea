"""Runs the command that was asked for, and turns errors into one line and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from training.errors import TrainingError
from training.parser import make_parser

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m training ARGUMENTS` and return its exit code.

    Results go to stdout, progress and errors to stderr.
    """
    options = make_parser().parse_args(arguments)
    # Commands take seconds to import; the parser has answered --help and usage errors by now.
    from training.commands import COMMANDS

    try:
        COMMANDS[options.command](options)
    except TrainingError as error:
        _report(str(error), debug=options.debug)
        return error.exit_code
    except KeyboardInterrupt:
        _report("interrupted", debug=options.debug)
        return _INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 the last resort of a command line
        _report(
            f"{type(error).__name__}: {error} (an error in Hotshelf; --debug shows where)",
            debug=options.debug,
        )
        return 1
    return 0


def _report(message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    one_line = " ".join(message.split())
    print(f"error: {one_line}", file=sys.stderr, flush=True)
