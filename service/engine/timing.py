"""How long a model takes, whatever else the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from imaging import IMAGE_SHAPE
from service.ipc.messages import Images

Run = Callable[[Images], object]


def best_s(
    run: Run, images: int, *, tries: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds that a run of so many images takes at best.

    The best of a few runs is what the model takes; others are what else the machine does, and the
    first ones, which plan and allocate.
    """
    batch: Any = np.zeros((images, *IMAGE_SHAPE), np.uint8)
    taken = []
    for _ in range(tries):
        started = clock()
        run(batch)
        taken.append(clock() - started)
    return min(taken)
