"""Where a run stands, and what it does next."""

from __future__ import annotations

from enum import Enum

import msgspec


class Meter(msgspec.Struct, frozen=True):
    """Sums over the training images of the running epoch."""

    loss_sum: float = 0.0
    correct: int = 0
    images: int = 0

    def add(self, *, loss: float, correct: int, images: int) -> Meter:
        """Return the sums with one more step, given its mean loss."""
        return Meter(self.loss_sum + loss * images, self.correct + correct, self.images + images)

    @property
    def loss(self) -> float:
        """Return the mean loss an image."""
        return self.loss_sum / self.images if self.images else 0.0

    @property
    def top1(self) -> float:
        """Return the part that was guessed right while training."""
        return self.correct / self.images if self.images else 0.0


class Position(msgspec.Struct, frozen=True):
    """All that a resumed run needs to know besides its arrays.

    `step` counts finished steps; data order and augmentation follow from it and the seed alone.
    """

    step: int = 0
    evaluated_step: int = 0
    meter: Meter = Meter()


class Plan(msgspec.Struct, frozen=True):
    """How long a run is and how often it looks up."""

    total_steps: int
    steps_per_epoch: int
    checkpoint_every: int | None = None

    def epoch_of(self, step: int) -> int:
        """Return the epoch, counted from 1, that the step that ends at `step` belongs to."""
        return max(1, -(-step // self.steps_per_epoch))

    @property
    def epochs(self) -> int:
        """Return the number of epochs, the last of which may be short."""
        return self.epoch_of(self.total_steps)

    def next_stop(self, step: int) -> int:
        """Return the first step after `step` that the run evaluates or saves at."""
        epoch_end = min(self.total_steps, (step // self.steps_per_epoch + 1) * self.steps_per_epoch)
        if not self.checkpoint_every:
            return epoch_end
        return min(epoch_end, (step // self.checkpoint_every + 1) * self.checkpoint_every)

    def is_epoch_end(self, step: int) -> bool:
        """Return whether an epoch ends after `step` steps."""
        return step > 0 and (step % self.steps_per_epoch == 0 or step == self.total_steps)


class Action(Enum):
    """What a run does next."""

    TRAIN = "train one step"
    EVALUATE = "evaluate"
    SAVE = "write a checkpoint"
    STOP = "leave before the end"
    FINISH = "the last step is done, evaluated and saved"


def make_plan(
    *,
    steps_per_pass: int,
    epochs: int,
    steps_per_epoch: int | None,
    max_steps: int | None,
    checkpoint_every: int | None,
) -> Plan:
    """Return the plan of a run whose data has `steps_per_pass` full batches."""
    an_epoch = steps_per_epoch or steps_per_pass
    total = epochs * an_epoch
    return Plan(
        total_steps=min(total, max_steps) if max_steps else total,
        steps_per_epoch=an_epoch,
        checkpoint_every=checkpoint_every,
    )


def next_action(plan: Plan, now: Position, saved: Position | None, *, stop: bool) -> Action:
    """Decide from where the run stands, what its newest checkpoint holds, and whether to stop."""
    is_saved = saved == now
    if stop:
        return Action.STOP if is_saved else Action.SAVE
    if plan.is_epoch_end(now.step):
        if now.evaluated_step < now.step:
            return Action.EVALUATE
        if not is_saved:
            return Action.SAVE
    if now.step >= plan.total_steps:
        return Action.FINISH
    due = plan.checkpoint_every and now.step > 0 and now.step % plan.checkpoint_every == 0
    return Action.SAVE if due and not is_saved else Action.TRAIN
