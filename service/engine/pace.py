"""How many images the next batch takes, and on how many cores it runs: pure decisions.

A core that runs batches alone finishes more images than several that share each batch and wait for
each other, so under load every lane runs batches of its own. A single client has nobody to share
with: its requests run on all cores at once.

Lanes that are to be busy all the time need a batch that waits while another one runs. So a batch
takes half of a lane's share of what is under way: the clients of one are being answered, and send
their next requests, while the other runs. Nothing is ever held back to wait for company.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

# Batches of one or two cost a core 5% to 25% of its rate, so even with less than twice this under
# way for each lane it takes that much.
WORTHWHILE = 3
# What was under way when each of the last runs ended tells what is to be expected.
REMEMBERED = 4
# So many runs without any other request under way make a client a single one.
SOLITUDE = 2


@dataclass(frozen=True)
class Start:
    """Start a batch of at most so many images; `alone` lets it use every core."""

    images: int
    alone: bool


class Pace:
    """Decides for the lanes of one engine.

    `arrived`, `left` and `ended` tell it what happens; `decide` asks it what to do.
    """

    def __init__(self, *, lanes: int, max_batch: int) -> None:
        self._lanes = lanes
        self._max_batch = max_batch
        self._requests = 0
        self._images = 0
        self._loads: deque[int] = deque(maxlen=REMEMBERED)
        self._lonely_runs = SOLITUDE

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

    def ended(self, requests: int, images: int) -> None:
        """Take note of the end of a run."""
        self._loads.append(self._images)
        self._requests -= requests
        self._images -= images
        if self._requests == 0:
            self._lonely_runs += 1

    def decide(self, queued: int, running: int) -> Start | None:
        """Say what to start in a free lane while so many images wait and so many batches run."""
        if not queued:
            return None
        if not running and self._requests == 1 and self._lonely_runs >= SOLITUDE:
            return Start(queued, alone=True)
        share = math.ceil(max(self._images, *self._loads, 0) / self._lanes)
        wanted = max(min(WORTHWHILE, share), math.ceil(share / 2))
        return Start(max(1, min(wanted, self._max_batch)), alone=False)
