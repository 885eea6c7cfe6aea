"""The outer loop: asks what is next and has it done. Knows nothing of models or files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from training.position import Action, Plan, Position, next_action


class Actions(Protocol):
    """What the loop has done; each takes where the run stands."""

    def train(self, now: Position) -> Position:
        """Train one step and return where the run stands after it."""
        ...

    def evaluate(self, now: Position) -> Position:
        """Evaluate and return where the run stands; `now` itself when told to stop before."""
        ...

    def save(self, now: Position) -> None:
        """Write a checkpoint."""
        ...


def run_loop(
    plan: Plan,
    start: Position,
    actions: Actions,
    *,
    resumed: bool,
    should_stop: Callable[[], bool],
) -> tuple[Position, bool]:
    """Run until the end or until told to stop; return where, and whether it is the end.

    `resumed` says that `start` is what the newest checkpoint holds. A run told to stop has
    a checkpoint of the position returned.
    """
    now = start
    saved = start if resumed else None
    while True:
        action = next_action(plan, now, saved, stop=should_stop())
        if action is Action.TRAIN:
            now = actions.train(now)
        elif action is Action.EVALUATE:
            now = actions.evaluate(now)
        elif action is Action.SAVE:
            actions.save(now)
            saved = now
        else:
            return now, action is Action.FINISH
