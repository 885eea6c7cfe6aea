"""Hands steps to whichever worker is free, and their results back in order."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from training.backend import tf
from training.step import StepInputs, StepResult, Update, input_spec, read_result

_LOOK_EVERY_S = 0.5


class Dispatcher:
    """A `training.modes.base.Runner` with two steps for each worker: one runs, one is ready.

    A step whose worker is lost is given to another one; updates that it had sent by then count
    twice. `look(waited_s)` is called from time to time: it may say or do something about lost
    processes, and raises when the run can't go on. `explain` turns an error of TensorFlow's
    network into one for the user.
    """

    def __init__(
        self,
        coordinator: Any,
        update: Update,
        *,
        workers: int,
        look: Callable[[float], None],
        explain: Callable[[BaseException], BaseException],
    ) -> None:
        self.capacity = 2 * workers
        self._coordinator = coordinator
        self._update = tf.function(update, input_signature=[input_spec()])
        self._look = look
        self._explain = explain
        self._in_flight = 0
        self._looked = time.monotonic()
        self._submitted: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._arrived: queue.SimpleQueue[StepResult | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._collect, name="step-results", daemon=True).start()

    @property
    def in_flight(self) -> int:
        """The steps submitted whose results haven't been asked for."""
        return self._in_flight

    def submit(self, inputs: StepInputs) -> None:
        """Queue the step for the next worker that is free."""
        try:
            value = self._coordinator.schedule(self._update, args=(inputs,))
        except (tf.errors.OpError, TypeError) as error:
            raise self._explain(error) from None
        self._in_flight += 1
        self._submitted.put(value)

    def result(self) -> StepResult:
        """Wait for the oldest step in flight. Raises ProcessLost when it can't end."""
        began = time.monotonic()
        while True:
            now = time.monotonic()
            if now - self._looked >= _LOOK_EVERY_S:
                self._look(now - began)
                self._looked = time.monotonic()
            try:
                arrived = self._arrived.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                continue
            self._in_flight -= 1
            if isinstance(arrived, BaseException):
                raise self._explain(arrived) from None
            return arrived

    def _collect(self) -> None:
        """Wait for results where that may last: there is no time limit on it."""
        while True:
            value = self._submitted.get()
            try:
                self._arrived.put(read_result(value.get()))
            except BaseException as error:  # noqa: BLE001 raised again where the result is asked for
                self._arrived.put(error)
