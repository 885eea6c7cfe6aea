"""Executes one step at a time in this process."""

from __future__ import annotations

from collections import deque
from typing import Any

from training.backend import tf
from training.step import StepInputs, StepResult, Update, input_spec, read_result


class OneByOne:
    """A `training.modes.base.Runner` that waits for each step; traced at the first one."""

    capacity = 1

    def __init__(self, update: Update) -> None:
        self._update = tf.function(update, input_signature=[input_spec()])
        self._results: deque[Any] = deque()

    @property
    def in_flight(self) -> int:
        """The steps submitted whose results haven't been asked for."""
        return len(self._results)

    def submit(self, inputs: StepInputs) -> None:
        """Run the step."""
        self._results.append(self._update(inputs))

    def result(self) -> StepResult:
        """Return the result of the oldest step."""
        return read_result(self._results.popleft())
