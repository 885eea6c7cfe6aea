"""How many images a batch of a model is worth: measured at warm-up, remembered for later starts.

Larger batches use a processor better up to a point, and every image of a batch waits for its last.
So a batch takes no more than the fewest images that run at nearly the best rate.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from service.engine.timing import Run, best_s

log = logging.getLogger(__name__)

# Of the best rate; below it, more images a batch are worth their waiting.
NEARLY = 0.97
TRIES = 3


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
    run: Run,
    most: int,
    *,
    note: Path,
    circumstances: str,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return the images that a batch may have, 1 to `most`.

    Measures unless `note` has the answer for the same circumstances. A note that can't be kept is
    no failure.
    """
    circumstances = f"{circumstances}, at most {most}"
    known = _read(note)
    if known is not None and known.circumstances == circumstances:
        return known.images
    rates = {size: size / best_s(run, size, tries=TRIES, clock=clock) for size in sizes(most)}
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


def _read(note: Path) -> Measured | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Measured)
    except (OSError, msgspec.MsgspecError):
        return None
