"""Does what the loop asks for: trains, evaluates, saves, and shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from training.data.batches import Batches
from training.data.pipeline import training_dataset
from training.data.prepared import Split
from training.errors import Diverged
from training.evaluation.evaluate import Predict, evaluate
from training.modes.base import Mode, Runner
from training.position import Meter, Plan, Position
from training.progress import Bar, Bars
from training.run.checkpoints import Checkpoints
from training.run.divergence import Divergence
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.schedule import Schedule
from training.step import StepInputs, StepResult
from training.trainee import Trainee, predictor

LOG_EVERY_STEPS = 20


class Trainer:
    """The actions of one run; see `training.loop.Actions`."""

    def __init__(
        self,
        *,
        mode: Mode,
        trainee: Trainee,
        runner: Runner,
        schedule: Schedule,
        plan: Plan,
        batches: Batches,
        divergence: Divergence,
        images_a_step: int,
        validation: Split,
        checkpoints: Checkpoints,
        metrics: MetricsLog,
        bars: Bars,
        should_stop: Callable[[], bool],
        evaluated_on: str = "validation",
    ) -> None:
        self._mode = mode
        self._evaluated_on = evaluated_on
        self._trainee = trainee
        self._runner = runner
        self._schedule = schedule
        self._plan = plan
        self._batches = batches
        self._divergence = divergence
        self._images_a_step = images_a_step
        self._validation = validation
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._bars = bars
        self._wishes_to_stop = should_stop
        self._stopping = False
        self._predict: Predict | None = None
        self._elements: Iterator[Any] | None = None
        self._bar: Bar | None = None
        self._window = _Window()
        self._pace = _Pace()
        self._top1: dict[int, float] = {}

    def should_stop(self) -> bool:
        """Return whether all ranks have agreed to stop, and no step is under way any more."""
        return self._stopping and self._runner.in_flight == 0

    def train(self, now: Position) -> Position:
        """Train one step. Raises Diverged when the loss isn't finite."""
        bar = self._open_bar(now)
        rate = self._schedule.at(now.step)
        self._submit(now)
        result = self._runner.result()
        self._stopping |= result.stop
        if not math.isfinite(result.loss):
            raise self._divergence.explain(now.step, result.loss, rate)
        after = self._count(now, result)
        facts = {"loss": f"{after.meter.loss:.3f}", "top-1": f"{after.meter.top1:.1%}"}
        left_s = self._pace.left_s(after.step, self._plan.total_steps)
        bar.advance(self._images_a_step, facts, run_left_s=left_s)
        self._log(after, rate)
        if self._plan.is_epoch_end(after.step):
            self.close()
        return after

    def evaluate(self, now: Position) -> Position:
        """Evaluate on validation or held-out images, all ranks together, and log the epoch.

        Raises Diverged, before anything is logged, when the loss isn't finite.
        """
        epoch = self._plan.epoch_of(now.step)
        mine = evaluate(
            self._predictor(),
            self._validation,
            self._bars,
            title=f"epoch {epoch}/{self._plan.epochs} {self._evaluated_on}",
            index=self._mode.index,
            ranks=self._mode.count,
            should_stop=self._agree_to_stop,
        )
        if mine is None:
            return now
        scores = self._mode.total(mine).scores()
        if not math.isfinite(scores.loss):
            raise Diverged(
                f"the loss on {self._evaluated_on} images is {scores.loss} after step {now.step}; "
                "these weights aren't saved; try a smaller --learning-rate"
            )
        line = EvalLine(
            step=now.step,
            epoch=epoch,
            loss=scores.loss,
            top1=scores.top1,
            top5=scores.top5,
            images=scores.images,
            train_loss=now.meter.loss,
            train_top1=now.meter.top1,
        )
        self._top1 = {now.step: scores.top1}
        if self._mode.writes_files:
            self._metrics.write(line)
            self._bars.say(_summary(line, self._plan.epochs, self._evaluated_on))
        return Position(step=now.step, evaluated_step=now.step, meter=Meter())

    def save(self, now: Position) -> None:
        """Write a checkpoint, if this process is the one that writes."""
        if self._mode.writes_files:
            top1 = self._top1.get(now.step)
            self._checkpoints.save(now, self._trainee.arrays(), top1=top1)

    def close(self) -> None:
        """Finish the running bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
        self._window = _Window()

    def _predictor(self) -> Predict:
        local = self._mode.local(self._trainee.result)
        if self._predict is None:
            self._predict = predictor(local)
        return self._predict

    def _agree_to_stop(self) -> bool:
        self._stopping |= self._mode.agree(bool(self._wishes_to_stop()))
        return self._stopping

    def _submit(self, now: Position) -> None:
        """Begin as many steps as the mode runs at once, none beyond where the run looks up."""
        if self._elements is None:
            self._elements = iter(
                training_dataset(
                    self._batches, first_step=now.step, last_step=self._plan.total_steps
                )
            )
        barrier = self._plan.next_stop(now.step)
        while self._runner.in_flight < self._runner.capacity:
            step = now.step + self._runner.in_flight
            if step >= barrier or (self._stopping and step > now.step):
                return
            stop = bool(self._wishes_to_stop())
            images, labels, partners, shares = next(self._elements)
            rate = np.float32(self._schedule.at(step))
            self._runner.submit(
                StepInputs(images, labels, partners, shares, rate, np.float32(stop))
            )

    def _count(self, now: Position, result: StepResult) -> Position:
        images = self._images_a_step
        correct = round(result.top1 * images)
        self._window.add(result.loss, correct, images)
        meter = now.meter.add(loss=result.loss, correct=correct, images=images)
        return msgspec.structs.replace(now, step=now.step + 1, meter=meter)

    def _open_bar(self, now: Position) -> Bar:
        if self._bar is None:
            # What came before, an evaluation or a checkpoint, is no part of the speed of training.
            self._window = _Window()
            plan = self._plan
            epoch = plan.epoch_of(now.step + 1)
            first = (epoch - 1) * plan.steps_per_epoch
            last = min(plan.total_steps, first + plan.steps_per_epoch)
            self._bar = self._bars.open(
                f"epoch {epoch}/{plan.epochs}",
                total=(last - first) * self._images_a_step,
                unit="images",
                done=(now.step - first) * self._images_a_step,
            )
        return self._bar

    def _log(self, now: Position, rate: float) -> None:
        if now.step % LOG_EVERY_STEPS != 0 or not self._mode.writes_files:
            return
        self._metrics.write(
            TrainLine(
                step=now.step,
                epoch=self._plan.epoch_of(now.step),
                loss=self._window.meter.loss,
                top1=self._window.meter.top1,
                learning_rate=rate,
                images_per_s=self._window.images_per_s(),
                images_a_step=self._images_a_step,
            )
        )
        self._window = _Window()


class _Window:
    """The steps since the last line of the log."""

    def __init__(self) -> None:
        self.meter = Meter()
        self._started = time.monotonic()

    def add(self, loss: float, correct: int, images: int) -> None:
        self.meter = self.meter.add(loss=loss, correct=correct, images=images)

    def images_per_s(self) -> float:
        return self.meter.images / max(1e-9, time.monotonic() - self._started)


class _Pace:
    """How long a run takes, evaluations and checkpoints included, from what it took so far.

    The first step, in which everything is compiled, says nothing about the others.
    """

    def __init__(self) -> None:
        self._begin: tuple[int, float] | None = None

    def left_s(self, step: int, total: int) -> float | None:
        """Return the seconds from `step` to `total`; None after the first step."""
        now = time.monotonic()
        if self._begin is None:
            self._begin = step, now
            return None
        first, began = self._begin
        return (now - began) / (step - first) * (total - step)


def _summary(line: EvalLine, epochs: int, evaluated_on: str) -> str:
    return (
        f"epoch {line.epoch}/{epochs}: training loss {line.train_loss:.3f}, "
        f"top-1 {line.train_top1:.1%}; {evaluated_on} loss {line.loss:.3f}, "
        f"top-1 {line.top1:.1%}, top-5 {line.top5:.1%}"
    )
