"""Threads that run batches, so that the engine's event loop never waits for the model."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.engine.batcher import Batch
from service.errors import InferenceFailed
from service.ipc.messages import Images, Probabilities
from service.lifecycle import name_thread

log = logging.getLogger(__name__)


# What a run gave.
Outcome = Probabilities | InferenceFailed

# Called in the event loop's thread with a batch that has run, what it gave, and how many seconds it
# took; it is this one's to answer.
Finished = Callable[[Batch, Outcome, float], None]


def slices(images: int, most: int) -> list[int]:
    """Return the sizes of the runs that so many images take, at most `most` in each."""
    return [min(most, images - start) for start in range(0, images, most)]


class Lanes:
    """Runs up to `count` batches at once and reports each in the event loop's thread.

    The model never gets more than `max_batch` images at once: a request of more is run in slices.
    """

    def __init__(self, count: int, *, max_batch: int, finished: Finished) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(count, initializer=name_thread, initargs=("lane",))
        self._finished = finished
        self._count = count
        self._max_batch = max_batch
        self._alone = False
        self.running = 0
        # When each thread's run of the model began.
        self._begun: dict[int, float] = {}

    @property
    def free(self) -> bool:
        """Whether a batch may start."""
        return self.running < self._count and not self._alone

    @property
    def longest_s(self) -> float:
        """For how many seconds the model's longest run has been going on, 0 where there is none."""
        begun = list(self._begun.values())
        return time.monotonic() - min(begun) if begun else 0.0

    def start(self, batch: Batch, *, alone: bool) -> None:
        """Run a batch in a free lane.

        One that runs `alone` has all cores, and no other starts meanwhile. If it is a single image,
        the event loop itself runs it: handing it to a thread and back would take a tenth as long
        as the run, and there is nobody else to be served.
        """
        self.running += 1
        self._alone = alone
        if alone and len(batch) == 1:
            self._settle(batch, *self._run(batch, alone=True))
        else:
            self._threads.submit(self._run_in_thread, batch, alone)

    def close(self) -> None:
        """Wait for running batches and stop the threads."""
        self._threads.shutdown()

    def _run_in_thread(self, batch: Batch, alone: bool) -> None:
        self._loop.call_soon_threadsafe(self._settle, batch, *self._run(batch, alone=alone))

    def _run(self, batch: Batch, *, alone: bool) -> tuple[Outcome, float]:
        """Return what the batch's run gave and how many seconds it took."""
        started = time.monotonic()
        outcome: Outcome
        try:
            outcome = self._run_model(batch, alone=alone)
        # Whatever a model's run fails with, its callers get an answer and the lane lives on.
        except Exception as error:
            ids = " ".join(each.correlation.request_id for each in batch.requests)
            log.exception(
                "version %d failed on %d images", batch.lease.version, len(batch),
                extra={"request_id": ids},
            )  # fmt: skip
            outcome = InferenceFailed(f"version {batch.lease.version} failed: {error}")
        return outcome, time.monotonic() - started

    def _run_model(self, batch: Batch, *, alone: bool) -> Probabilities:
        images, most = batch.images, self._max_batch
        if len(images) <= most:
            return self._run_once(batch, images, alone=alone)
        ends = np.cumsum(slices(len(images), most)).tolist()
        starts = [0, *ends[:-1]]
        parts = [
            self._run_once(batch, images[i:j], alone=alone)
            for i, j in zip(starts, ends, strict=True)
        ]
        return np.concatenate(parts)

    def _run_once(self, batch: Batch, images: Images, *, alone: bool) -> Probabilities:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return batch.lease.session.run(images, alone=alone)
        finally:
            del self._begun[thread]

    def _settle(self, batch: Batch, outcome: Outcome, took_s: float) -> None:
        self.running -= 1
        self._alone = False
        self._finished(batch, outcome, took_s)
