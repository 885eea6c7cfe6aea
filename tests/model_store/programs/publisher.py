"""Publishes a folder several times: URL FOLDER TIMES."""

from __future__ import annotations

import sys
from pathlib import Path

from model_store import open_store
from tests.model_store.material import publish


def run(url: str, folder: str, times: str) -> None:
    store = open_store(url)
    for _ in range(int(times)):
        print(publish(store, Path(folder)).version, flush=True)
    store.close()


if __name__ == "__main__":
    run(*sys.argv[1:])
