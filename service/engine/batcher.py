"""Collects waiting requests into batches; pure bookkeeping, driven by the engine's event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.correlation import NOBODY, Correlation
from service.engine.manager import Lease
from service.errors import DeadlineExceeded, InferenceFailed, Overloaded, ServiceError
from service.ipc.messages import Answer, Failure, Images, Probabilities, Reply


@dataclass(frozen=True)
class Waiting:
    """One request in the queue. `deadline` and `queued_at` are in the batcher's clock."""

    images: Images
    lease: Lease
    deadline: float
    queued_at: float
    reply: Callable[[Reply], None]
    correlation: Correlation = NOBODY
    # Says whether nobody wants the answer any more.
    abandoned: Callable[[], bool] = lambda: False

    def answer(self, probabilities: Probabilities) -> None:
        """Send the answer and give the lease back."""
        self.lease.release()
        self.reply(Answer(self.lease.version, probabilities))

    def fail(self, error: ServiceError) -> None:
        """Send the error and give the lease back."""
        self.lease.release()
        self.reply(Failure.of(error))


@dataclass(frozen=True)
class Batch:
    """Requests for one version that run together."""

    requests: tuple[Waiting, ...]

    @property
    def lease(self) -> Lease:
        """Any of the requests' leases: they are all on the same version."""
        return self.requests[0].lease

    @property
    def images(self) -> Images:
        """All images, uint8 [N, 64, 64, 3], in the order of the requests."""
        if len(self.requests) == 1:
            return self.requests[0].images
        return np.concatenate([each.images for each in self.requests])

    def __len__(self) -> int:
        """Return the number of images."""
        return sum(len(each.images) for each in self.requests)

    def answer(self, probabilities: Probabilities) -> None:
        """Hand each request its rows, or an error where they aren't numbers."""
        sound = bool(np.isfinite(probabilities).all())
        start = 0
        for each in self.requests:
            stop = start + len(each.images)
            rows = probabilities[start:stop]
            start = stop
            if sound or np.isfinite(rows).all():
                each.answer(rows)
            else:
                each.fail(InferenceFailed(f"version {each.lease.version} answered NaN or infinity"))

    def fail(self, error: ServiceError) -> None:
        """Fail every request."""
        for each in self.requests:
            each.fail(error)


class Batcher:
    """A bounded queue that gives out what is waiting.

    Versions share nothing, so a batch is of one; `dropped` is told of every request that leaves the
    queue without a run, after it has been answered if anybody waits.
    """

    def __init__(
        self,
        *,
        queue_images: int,
        clock: Callable[[], float],
        dropped: Callable[[Waiting], None],
    ) -> None:
        self._room = queue_images
        self._clock = clock
        self._dropped = dropped
        self._queue: deque[Waiting] = deque()
        self._queued_images = 0

    @property
    def queued_images(self) -> int:
        """How many images are waiting."""
        return self._queued_images

    def add(self, request: Waiting) -> None:
        """Queue a request; Overloaded if its images don't fit any more."""
        if self._queued_images + len(request.images) > self._room:
            self.drop_useless()
        if self._queued_images + len(request.images) > self._room:
            raise Overloaded(
                f"{self._queued_images} images are waiting already, {self._room} may; try later"
            )
        self._queue.append(request)
        self._queued_images += len(request.images)

    def next_batch(self, most_images: int) -> Batch | None:
        """Return the next batch of at most so many images, or None when nothing is waiting.

        The request that has waited longest leads; those behind it that want the same version join
        as long as there is room. One of more images is a batch of its own, which its lane runs in
        slices. A version whose batches are worth fewer images gets those.
        """
        self.drop_useless()
        if not self._queue:
            return None
        version = self._queue[0].lease.version
        most_images = min(most_images, self._queue[0].lease.session.batch_images)
        chosen: list[Waiting] = []
        left: deque[Waiting] = deque()
        images = 0
        while self._queue:
            each = self._queue.popleft()
            size = len(each.images)
            if each.lease.version != version:
                left.append(each)
            elif chosen and images + size > most_images:
                left.append(each)
                break
            else:
                chosen.append(each)
                images += size
        left.extend(self._queue)
        self._queue = left
        self._queued_images -= images
        return Batch(tuple(chosen))

    def drop_useless(self) -> None:
        """Answer expired requests with DeadlineExceeded, and forget those of whom nobody waits."""
        now = self._clock()
        if not any(each.deadline <= now or each.abandoned() for each in self._queue):
            return
        waiting, self._queue = self._queue, deque()
        for each in waiting:
            if each.deadline > now and not each.abandoned():
                self._queue.append(each)
                continue
            self._queued_images -= len(each.images)
            each.fail(
                DeadlineExceeded(f"no answer in time: it waited {now - each.queued_at:.2f} s")
            )
            self._dropped(each)
