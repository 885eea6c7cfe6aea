"""Threads that run batches, so that the engine's event loop never waits for the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.engine.batcher import Batch
from service.errors import InferenceFailed
from service.ipc.messages import Probabilities

log = logging.getLogger(__name__)


class Lanes:
    """Runs up to `count` batches at once and reports each in the event loop's thread."""

    def __init__(self, count: int, *, finished: Callable[[Batch, float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="lane")
        self._finished = finished
        self.free = count

    def start(self, batch: Batch) -> None:
        """Run a batch in a free lane; its requests are answered when it is done."""
        self.free -= 1
        self._threads.submit(self._run, batch)

    def close(self) -> None:
        """Wait for running batches and stop the threads."""
        self._threads.shutdown()

    def _run(self, batch: Batch) -> None:
        started = time.monotonic()
        outcome: Probabilities | InferenceFailed
        try:
            outcome = batch.lease.session.run(batch.images)
        # Whatever a model's run fails with, its callers get an answer and the lane lives on.
        except Exception as error:
            ids = " ".join(each.correlation.request_id for each in batch.requests)
            log.exception(
                "version %d failed on %d images", batch.lease.version, len(batch),
                extra={"request_id": ids},
            )  # fmt: skip
            outcome = InferenceFailed(f"version {batch.lease.version} failed: {error}")
        took_s = time.monotonic() - started
        self._loop.call_soon_threadsafe(self._settle, batch, outcome, took_s)

    def _settle(
        self, batch: Batch, outcome: Probabilities | InferenceFailed, took_s: float
    ) -> None:
        self.free += 1
        if isinstance(outcome, InferenceFailed):
            batch.fail(outcome)
        else:
            batch.answer(outcome)
        self._finished(batch, took_s)
