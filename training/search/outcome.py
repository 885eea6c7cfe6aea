"""What a trial came to, read from the log of its run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.run.folder import RunFolder
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.search.plan import Trial


class Evaluated(msgspec.Struct, frozen=True):
    """Accuracy on the held-out images after so many seconds of training steps."""

    training_s: float
    step: int
    top1: float
    top5: float
    loss: float


class Outcome(msgspec.Struct, frozen=True):
    """A trial's evaluations in order, none where it failed; `failure` is what was said then."""

    trial: Trial
    evaluated: tuple[Evaluated, ...]
    failure: str | None = None

    @property
    def last(self) -> Evaluated | None:
        """Return how it stood at its end."""
        return self.evaluated[-1] if self.evaluated else None


def outcome_of(trial: Trial, run: Path, failure: str | None = None) -> Outcome:
    """Return what the run's log says. Raises RunFolderError when that is damaged."""
    lines = MetricsLog(RunFolder(run).metrics).lines()
    trained = [line for line in lines if isinstance(line, TrainLine)]
    evaluated = tuple(
        Evaluated(
            training_s=training_s(trained, line.step),
            step=line.step,
            top1=line.top1,
            top5=line.top5,
            loss=line.loss,
        )
        for line in lines
        if isinstance(line, EvalLine)
    )
    return Outcome(trial, evaluated, failure)


def training_s(lines: list[TrainLine], step: int) -> float:
    """Return the seconds that the steps up to `step` took, evaluations and pauses left out.

    Each line tells the speed since the one before; steps after the last one are taken as fast.
    """
    seconds, done, pace = 0.0, 0, 0.0
    for line in lines:
        if line.images_per_s <= 0:
            continue
        pace = line.images_a_step / line.images_per_s
        steps = min(line.step, step) - done
        seconds += max(0, steps) * pace
        done = max(done, min(line.step, step))
    return seconds + (step - done) * pace
