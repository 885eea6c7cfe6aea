"""Fetches version 1 from a store that is away, and waits before it removes a file: URL CACHE NAME.

It says `removing` when it has seen that the file of this name is damaged, and goes on when it is
sent a line. At its end it says what became of the fetch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from model_store import StoreError, VersionCache
from tests.model_store.material import MODEL
from tests.model_store.unplugged import Unplugged


def run(url: str, cache: str, name: str) -> None:
    def wait(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.remove" and Path(arguments[0]).name == name:
            print("removing", flush=True)
            sys.stdin.readline()

    sys.addaudithook(wait)
    try:
        VersionCache(Path(cache)).fetch(Unplugged(url), MODEL, 1)
    except StoreError as error:
        print(type(error).__name__, flush=True)
    else:
        print("fetched", flush=True)


if __name__ == "__main__":
    run(*sys.argv[1:])
