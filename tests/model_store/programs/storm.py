"""Publishers that die at random moments: URL FOLDER KILLS LONGEST_LIFE_S SEED.

Children are forked, so that a life costs milliseconds; each opens the store itself, publishes and
moves a label for ever. The parent kills them with SIGKILL, forks the next ones, and looks at the
catalog all the time. It prints the number of kills and of looks.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from model_store import Conflict, open_store
from tests.model_store.material import MODEL, publish

AT_ONCE = 4


def live(url: str, folder: Path) -> None:
    store = open_store(url)
    while True:
        version = publish(store, folder).version
        try:
            store.label(MODEL, "newest", version)
        except Conflict:
            continue


def give_birth(url: str, folder: Path) -> int:
    child = os.fork()
    if child == 0:
        try:
            live(url, folder)
        finally:
            os._exit(1)  # a child never ends by itself
    return child


def run(url: str, folder: str, kills: str, longest_life_s: str, seed: str) -> None:
    draw = random.Random(int(seed))
    if url.startswith("az:"):
        import model_store.backends.azure  # noqa: F401 - once, before the forks
    deaths: list[tuple[float, int]] = []
    killed = looks = failed = 0
    while killed < int(kills):
        while len(deaths) < AT_ONCE:
            life_s = draw.uniform(0, float(longest_life_s))
            deaths.append((time.monotonic() + life_s, give_birth(url, Path(folder))))
        deaths.sort()
        at, child = deaths.pop(0)
        time.sleep(max(0.0, at - time.monotonic()))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        failed += not os.WIFSIGNALED(status)
        killed += 1
        if killed % 10 == 0:
            looks += look(url)
    for _, child in deaths:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
    print(killed, looks, failed)


def look(url: str) -> int:
    store = open_store(url)
    try:
        store.catalog(MODEL)  # decodes, and checks that its parts fit
    finally:
        store.close()
    return 1


if __name__ == "__main__":
    run(*sys.argv[1:])
