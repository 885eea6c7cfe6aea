"""Follows the store: one thread asks it what is wanted, another one loads, a third describes."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable

from service import metrics
from service.engine.fact_sheet import FactSheet
from service.engine.manager import VersionManager
from service.engine.source import StoreSource

log = logging.getLogger(__name__)

# Polls of a fleet that was started at once drift apart by this share of the interval.
POLL_JITTER = 0.1

# Loading takes a core for a second. At this niceness it gets a third of what a lane gets where
# cores are short, so that requests hardly notice and versions still load.
LOADING_NICENESS = 5


class Follower:
    """Has the manager want what the store wants and settle it, until it is stopped.

    Threads of their own, so that loading, which may take minutes, holds up no look at the store (a
    label that goes back to a loaded version is followed at once) and a store that doesn't answer
    holds up no loading of what the cache has. The one that loads steps back behind threads that
    answer requests.
    """

    def __init__(
        self, source: StoreSource, manager: VersionManager, facts: FactSheet, poll_s: float
    ) -> None:
        self._source = source
        self._manager = manager
        self._facts = facts
        self._poll_s = poll_s
        self._stopping = False
        self._look = threading.Event()
        self._looked = threading.Condition()
        self._looks_begun = 0
        self._looks_ended = 0
        self._settle = threading.Event()
        self._describe = threading.Event()
        self._settler: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with a look at the store."""
        _, self._settler, _ = [
            _thread(name, loop)
            for name, loop in (
                ("follower", self._keep_looking),
                ("settler", self._keep_settling),
                ("describer", self._keep_describing),
            )
        ]

    def stop(self, *, within_s: float = 0.0) -> None:
        """Let what is going on be the last; wait so long for a version that is being loaded.

        Python can't end in good order while ONNX Runtime loads a model in a thread.
        """
        self._stopping = True
        self._look.set()
        self._settle.set()
        self._describe.set()
        if self._settler is not None:
            self._settler.join(within_s)

    def look_now(self, *, within_s: float = 0.0) -> None:
        """Look at the store without waiting for the next time.

        Waits so long, at most, until a look that began after this call is over: the manager wants
        by then what the store wanted when this was called.
        """
        with self._looked:
            next_look = self._looks_begun + 1
            self._look.set()
            self._looked.wait_for(lambda: self._looks_ended >= next_look, within_s)

    def retry_now(self, *, within_s: float = 0.0) -> None:
        """Look at the store as `look_now` does, and try versions again that failed."""
        self._manager.retry()
        self.look_now(within_s=within_s)

    def _keep_looking(self) -> None:
        while not self._stopping:
            with self._looked:
                self._look.clear()
                self._looks_begun += 1
            _survive(self._follow)
            with self._looked:
                self._looks_ended = self._looks_begun
                self._looked.notify_all()
            self._settle.set()
            self._describe.set()
            spread = random.uniform(-POLL_JITTER, POLL_JITTER)  # noqa: S311 - no secret
            self._look.wait(self._poll_s * (1 + spread))

    def _follow(self) -> None:
        self._manager.want(self._source.poll())
        metrics.STORE_POLLS.labels("failed" if self._source.problem else "ok").inc()

    def _keep_settling(self) -> None:
        step_back()
        while not self._stopping:
            self._settle.wait()
            self._settle.clear()
            _survive(self._manager.settle)

    def _keep_describing(self) -> None:
        while not self._stopping:
            self._describe.wait()
            self._describe.clear()
            _survive(lambda: self._facts.update(self._source.catalog))


def _thread(name: str, loop: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=loop, name=name, daemon=True)
    thread.start()
    return thread


def step_back() -> None:
    """Have this thread, and those it starts, wait a little longer for a core than others."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOADING_NICENESS)


def _survive(step: Callable[[], None]) -> None:
    """Take a step whose surprises must end neither the following nor what is being served."""
    try:
        step()
    except Exception:
        log.exception("following the store failed; trying again")
