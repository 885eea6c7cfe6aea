"""A few threads for what would hold up the event loop, and a bounded queue before them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded, Overloaded
from service.lifecycle import name_thread
from service.web.deadline import NEVER

T = TypeVar("T")


class _Work(Generic[T]):
    """Work with its caller's context variables, for as long as somebody waits for it.

    What its caller has given up stays in the executor's queue until a thread comes to it; images
    and bodies mustn't.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._run: Callable[[], T] | None = partial(copy_context().run, work)

    def __call__(self) -> T:
        run = self._run
        if run is None:
            raise CancelledError
        return run()

    def forget(self) -> None:
        self._run = None


class BoundedPool:
    """Runs work on images in threads of its own; more of it than may wait is refused.

    Belongs to one event loop's thread. Its threads start when they are needed.
    """

    def __init__(self, *, threads: int, room_images: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, initializer=name_thread, initargs=(name,))
        self._count = threads
        self._room = room_images
        self._calls = 0
        self._images = 0

    async def run(self, work: Callable[[], T], *, images: int, until: float) -> T:
        """Return what `work`, on so many images, returns or raises; it sees the context variables.

        Raises Overloaded where all threads are busy and these images don't fit beside those that
        others wait for, and DeadlineExceeded when `until` (of the monotonic clock) has come: work
        that hasn't begun by then never does, nor does work whose caller was cancelled.
        """
        if self._calls >= self._count and self._images + images > self._room:
            raise Overloaded(
                f"{self._images} images wait to be decoded already, {self._room} may; try later"
            )
        began = time.monotonic()
        if until <= began:
            raise DeadlineExceeded("no answer in time: it was over before decoding began")
        self._calls += 1
        self._images += images
        loop = asyncio.get_running_loop()
        held = _Work(work)
        del work
        try:
            async with asyncio.timeout_at(None if until == NEVER else until):
                return await loop.run_in_executor(self._threads, held)
        except TimeoutError:
            waited_s = time.monotonic() - began
            raise DeadlineExceeded(
                f"no answer in time: decoding took over {waited_s:.2f} s"
            ) from None
        finally:
            held.forget()
            self._calls -= 1
            self._images -= images

    def close(self) -> None:
        """Forget what waits, and stop the threads when they have ended what they work on."""
        self._threads.shutdown(wait=False, cancel_futures=True)
