"""How many images a batch of a model is worth: measured at warm-up, remembered for later starts.

Larger batches use a processor better up to a point, and every image of a batch waits for its last.
So a batch takes no more than the fewest images that run at nearly the best rate.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from service.ipc.messages import Images

log = logging.getLogger(__name__)

# Of the best rate; below it, more images a batch are worth their waiting.
NEARLY = 0.97
# The best of a few runs is what the model takes; others are what else the machine does.
TRIES = 3

Run = Callable[[Images], object]


class Measured(msgspec.Struct, frozen=True):
    """What was found, and what it depends on: another machine or setting has to look again."""

    circumstances: str
    images: int


def sizes(most: int) -> list[int]:
    """Return the batches that are tried: powers of two below `most`, and `most`."""
    found = [1]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return found


def worthwhile_batch(
    run: Run, most: int, *, note: Path, circumstances: str, clock: Callable[[], float] | None = None
) -> int:
    """Return the images that a batch may have, 1 to `most`.

    Measures unless `note` has the answer for the same circumstances. A note that can't be kept is
    no failure.
    """
    circumstances = f"{circumstances}, at most {most}"
    known = _read(note)
    if known is not None and known.circumstances == circumstances:
        return known.images
    rates = {size: _rate(run, size, clock or time.perf_counter) for size in sizes(most)}
    best = max(rates.values())
    images = min(size for size, rate in rates.items() if rate >= NEARLY * best)
    log.info(
        "batches of up to %d images (%s)",
        images,
        ", ".join(f"{size}: {rate:.0f} images/s" for size, rate in rates.items()),
    )
    try:
        note.write_bytes(msgspec.json.encode(Measured(circumstances, images)))
    except OSError as error:
        log.warning("the measured batch can't be kept in %s: %s", note, error)
    return images


def _rate(run: Run, size: int, clock: Callable[[], float]) -> float:
    """Return images/s of one run at a time."""
    images: Any = np.zeros((size, *IMAGE_SHAPE), np.uint8)
    taken = []
    for _ in range(TRIES):
        started = clock()
        run(images)
        taken.append(clock() - started)
    return size / min(taken)


def _read(note: Path) -> Measured | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Measured)
    except (OSError, msgspec.MsgspecError):
        return None
