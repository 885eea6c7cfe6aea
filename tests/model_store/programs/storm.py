"""Publishers that die at random moments: URL FOLDER KILLS LONGEST_LIFE_S SEED.

Children are forked, so that a life costs milliseconds; each opens the store itself, publishes and
moves a label for ever. The parent kills them with SIGKILL, forks the next ones, and looks at the
catalog all the time. It prints the number of kills, of looks and of failures, and then the number
of each version that a `publish` returned.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model_store import Conflict, open_store
from tests.model_store.material import MODEL, publish

AT_ONCE = 4


def live(url: str, folder: Path, acknowledged: int) -> None:
    store = open_store(url)
    while True:
        version = publish(store, folder).version
        # One write, which a kill finds done or not begun.
        os.write(acknowledged, f"{version}\n".encode())
        try:
            store.label(MODEL, "newest", version)
        except Conflict:
            continue


def give_birth(url: str, folder: Path, acknowledged: int) -> int:
    child = os.fork()
    if child == 0:
        try:
            live(url, folder, acknowledged)
        finally:
            os._exit(1)  # a child never ends by itself
    return child


def run(url: str, folder: str, kills: str, longest_life_s: str, seed: str) -> None:
    if url.startswith("az:"):
        import model_store.backends.azure  # noqa: F401 - once, before the forks
    # Opened once and to append, so that children write one behind the other.
    with tempfile.TemporaryFile("a+b", buffering=0) as acknowledged:

        def bear() -> int:
            return give_birth(url, Path(folder), acknowledged.fileno())

        counts = rage(url, bear, int(kills), float(longest_life_s), random.Random(int(seed)))
        acknowledged.seek(0)
        print(*counts, *map(int, acknowledged.read().split()))


def rage(
    url: str, bear: Callable[[], int], kills: int, longest_life_s: float, draw: random.Random
) -> tuple[int, int, int]:
    """Return how many were killed, how often the catalog was looked at and how many failed."""
    deaths: list[tuple[float, int]] = []
    killed = looks = failed = 0
    while killed < kills:
        while len(deaths) < AT_ONCE:
            deaths.append((time.monotonic() + draw.uniform(0, longest_life_s), bear()))
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
    return killed, looks, failed


def look(url: str) -> int:
    store = open_store(url)
    try:
        store.catalog(MODEL)  # decodes, and checks that its parts fit
    finally:
        store.close()
    return 1


if __name__ == "__main__":
    run(*sys.argv[1:])
