"""`python -m model_store`: the shelf on the command line."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

from model_store import changing_commands, commands, tables, traffic_commands
from model_store.arguments import build_parser
from model_store.console import Console
from model_store.errors import (
    Conflict,
    Corrupt,
    Denied,
    InvalidName,
    InvalidStoreUrl,
    InvalidTraffic,
    InvalidVersion,
    NoSpace,
    NotFound,
    StoreError,
    Unreachable,
)
from model_store.store import open_store

_COMMANDS: Mapping[str, commands.Command] = {
    "list": commands.list_versions,
    "show": commands.show,
    "latest": commands.latest,
    "history": commands.history,
    "diff": commands.diff,
    "watch": commands.watch,
    "pull": commands.pull,
    "verify": commands.verify,
    "publish": changing_commands.publish,
    "label": changing_commands.label,
    "unlabel": changing_commands.unlabel,
    "rollback": changing_commands.rollback,
    "weights": traffic_commands.weights,
    "load": traffic_commands.load,
    "unload": traffic_commands.unload,
    "delete": changing_commands.delete,
    "gc": changing_commands.gc,
}
_EXIT_CODES: Mapping[type[StoreError], int] = {
    InvalidStoreUrl: 2,
    InvalidName: 2,
    InvalidVersion: 2,
    InvalidTraffic: 2,
    NotFound: 3,
    Conflict: 4,
    Corrupt: 5,
    Unreachable: 6,
    Denied: 7,
    NoSpace: 8,
}
_INTERRUPTED = 130


def main(
    arguments: Sequence[str] | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    console: Console | None = None,
) -> int:
    """Run one command and return its exit code."""
    console = console or Console.of_process()
    args = build_parser().parse_args(arguments)
    try:
        if args.command == "completion":
            return commands.completion(args, console)
        store = open_store(_store_url(args, environment))
        try:
            return _COMMANDS[args.command](args, store, console)
        finally:
            store.close()
    except StoreError as error:
        _report(console, str(error), debug=args.debug)
        return _EXIT_CODES.get(type(error), 1)
    except KeyboardInterrupt:
        _report(console, "interrupted", debug=args.debug)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our answer has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _store_url(args: argparse.Namespace, environment: Mapping[str, str]) -> str:
    # An empty --store is a variable that wasn't set, and must not end up in another store.
    url: str | None = environment.get("HOTSHELF_STORE") or None
    if args.store is not None:
        url = args.store
    if url is None:
        raise InvalidStoreUrl("no store is named: add --store URL or set HOTSHELF_STORE")
    return url


def _report(console: Console, message: str, *, debug: bool) -> None:
    if debug:
        console.say(traceback.format_exc().rstrip(), error=True)
    console.say(f"error: {tables.plain(message)}", error=True)


if __name__ == "__main__":
    sys.exit(main())
