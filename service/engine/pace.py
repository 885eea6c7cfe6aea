"""When the next batch starts, how many images it takes and on how many cores: pure decisions.

A core that runs batches alone finishes more images than several that share each batch and wait for
each other, so under load every lane runs batches of its own. A single client has nobody to share
with: its requests run on all cores at once.

Lanes that are to be busy evenly need batches of about the same size. How large follows from how
much is under way: enough that a batch is worth its overhead, and so little that another is waiting
when it ends. Answers that have just gone out bring new requests a moment later, so a lane that is
free waits for that moment, a small part of what a run takes, before it starts with less.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# Smaller batches cost 5% to 25% of a core's rate; with less than this under way for each lane,
# all of it runs.
WORTHWHILE = 4
# What was under way when each of the last runs ended tells what is to be expected.
REMEMBERED = 4
# Seconds that a free lane waits for company: this share of the last run, and never more than …
PATIENCE = 0.1
MOST_PATIENCE_S = 0.004
# So many runs without any other request under way make a client a single one.
SOLITUDE = 2


@dataclass(frozen=True)
class Start:
    """Start a batch of at most so many images; `alone` lets it use every core."""

    images: int
    alone: bool


@dataclass(frozen=True)
class Wait:
    """Start nothing, unless asked again after so many seconds."""

    seconds: float


class Pace:
    """Decides for the lanes of one engine.

    `arrived` and `ended` tell it what happens; `decide` asks it what to do.
    """

    def __init__(self, *, lanes: int, max_batch: int, clock: Callable[[], float]) -> None:
        self._lanes = lanes
        self._max_batch = max_batch
        self._clock = clock
        self._requests = 0
        self._images = 0
        self._loads: deque[int] = deque(maxlen=REMEMBERED)
        self._lonely_runs = SOLITUDE
        self._patient_until = 0.0

    def arrived(self, images: int) -> None:
        """Take note of a request."""
        self._requests += 1
        self._images += images
        if self._requests > 1:
            self._lonely_runs = 0

    def left(self, images: int) -> None:
        """Take note of a request that was dropped without a run."""
        self._requests -= 1
        self._images -= images

    def ended(self, requests: int, images: int, took_s: float) -> None:
        """Take note of the end of a run."""
        self._loads.append(self._images)
        self._requests -= requests
        self._images -= images
        if self._requests == 0:
            self._lonely_runs += 1
        patience_s = min(PATIENCE * took_s, MOST_PATIENCE_S)
        self._patient_until = self._clock() + patience_s

    def decide(self, queued: int, running: int) -> Start | Wait | None:
        """Say what to do with a free lane while so many images wait and so many batches run."""
        if not queued:
            return None
        if not running and self._requests == 1 and self._lonely_runs >= SOLITUDE:
            return Start(queued, alone=True)
        wanted = self._batch_for(max(self._images, *self._loads, 0))
        patience_s = self._patient_until - self._clock()
        if queued < wanted and patience_s > 0:
            return Wait(patience_s)
        return Start(wanted, alone=False)

    def _batch_for(self, load: int) -> int:
        """Return the size that keeps all lanes busy and, where there is enough, as many waiting."""
        each = math.ceil(load / self._lanes)
        return max(1, min(self._max_batch, max(min(WORTHWHILE, each), math.ceil(each / 2))))
