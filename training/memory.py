"""What every rank of an elastic run keeps in memory, so that the run survives any of them."""

from __future__ import annotations

from typing import Protocol

from training.loop import Actions
from training.position import Position
from training.run.checkpoints import Checkpoint
from training.trainee import Trainee

# A copy of all variables each time: ResNet-50's 200 MB take about as long as a tenth of a step on
# a CPU; what is lost with a rank is half of this many steps on average.
REMEMBER_EVERY_STEPS = 10


class HostsChanged(Exception):
    """All ranks have stopped after the same step, to go on with other ranks."""


class Memory(Protocol):
    """What outlives the ranks that a run loses."""

    hosts_changed: bool
    """Whether this rank was told that hosts come or go."""

    def remember(self, checkpoint: Checkpoint) -> None:
        """Keep this instead of what was kept before."""
        ...

    def recall(self) -> Checkpoint | None:
        """Return on all ranks the newest that any of them keeps; None when none keeps any."""
        ...


class Remembering:
    """The actions of a run, see `training.loop.Actions`, remembered now and then."""

    def __init__(self, actions: Actions, memory: Memory, trainee: Trainee) -> None:
        self._actions = actions
        self._memory = memory
        self._trainee = trainee

    def train(self, now: Position) -> Position:
        """Train one step."""
        after = self._actions.train(now)
        if after.step % REMEMBER_EVERY_STEPS == 0:
            self._remember(after)
        return after

    def evaluate(self, now: Position) -> Position:
        """Evaluate."""
        return self._actions.evaluate(now)

    def save(self, now: Position) -> None:
        """Remember, and write a checkpoint."""
        self._remember(now)
        self._actions.save(now)

    def _remember(self, now: Position) -> None:
        self._memory.remember(Checkpoint(now, self._trainee.arrays()))
