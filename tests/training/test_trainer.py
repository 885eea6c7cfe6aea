"""The trainer with a small model, and with steps whose results are made up."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.fakes import RecordedBars
from training.data.batches import Augmentation, Batches
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.errors import Diverged
from training.loop import run_loop
from training.model import Architecture
from training.modes.single import SingleMode
from training.position import Meter, Plan, Position
from training.run.checkpoints import Checkpoints
from training.run.divergence import Divergence
from training.run.metrics_log import EvalLine, MetricsLog, TrainLine
from training.schedule import Schedule
from training.step import StepInputs, StepResult
from training.trainee import Trainee, make_trainee
from training.trainer import Trainer

SPLIT = Split(
    images=np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8),
    labels=np.arange(16, dtype=np.int32) % 2,
)
NAMES = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}") for i in range(2))
DATA = PreparedData(folder=Path(), digest="d", classes=NAMES, train=SPLIT, val=SPLIT)
PLAN = Plan(total_steps=40, steps_per_epoch=20)


class Steps:
    """Made-up results, and the learning rates and wishes to stop it was called with."""

    def __init__(self, *losses: float, capacity: int = 1) -> None:
        self.capacity = capacity
        self.in_flight = 0
        self.most_in_flight = 0
        self.rates: list[float] = []
        self._losses = list(losses)
        self._stops: list[bool] = []

    def submit(self, inputs: StepInputs) -> None:
        self.rates.append(float(inputs.learning_rate))
        self._stops.append(bool(inputs.stop))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def result(self) -> StepResult:
        self.in_flight -= 1
        loss = self._losses.pop(0) if self._losses else 1.0
        return StepResult(loss=loss, top1=0.5, stop=self._stops.pop(0))


def tiny_trainee() -> Trainee:
    return make_trainee(
        Architecture(classes=2, depths=(1,), width=2),
        precision="float32",
        seed=0,
        momentum=0.9,
        with_average=False,
    )


TRAINEE = tiny_trainee()


def trainer(
    folder: Path,
    steps: Steps,
    bars: RecordedBars,
    *,
    stop: Callable[[], bool] = lambda: False,
    trainee: Trainee = TRAINEE,
) -> Trainer:
    batches = Batches(SPLIT, batch_size=4, seed=0, augmentation=Augmentation())
    return Trainer(
        mode=SingleMode(),
        trainee=trainee,
        runner=steps,
        schedule=Schedule(peak=0.5, warmup_steps=0, total_steps=40),
        plan=PLAN,
        batches=batches,
        divergence=Divergence(batches, DATA, folder),
        images_a_step=4,
        validation=SPLIT,
        checkpoints=Checkpoints(folder / "checkpoints"),
        metrics=MetricsLog(folder / "metrics.jsonl"),
        bars=bars,
        should_stop=stop,
    )


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run_naming_step_and_rate(
    tmp_path: Path, bars: RecordedBars, loss: float
) -> None:
    training = trainer(tmp_path, Steps(1.0, loss), bars)
    position = training.train(Position())
    with pytest.raises(Diverged, match=r"at step 2 \(learning rate 0\.499\d?, 4 images a step\)"):
        training.train(position)


def test_the_images_of_a_batch_that_ended_in_no_number_are_listed(
    tmp_path: Path, bars: RecordedBars
) -> None:
    training = trainer(tmp_path, Steps(1.0, float("nan")), bars)
    with pytest.raises(Diverged) as caught:
        training.train(training.train(Position()))
    file = tmp_path / "diverged-step-00000002.json"
    assert f"its images are listed in {file}" in str(caught.value)
    said = json.loads(file.read_text())
    assert (said["step"], said["loss"]) == (2, "nan")
    expected = Batches(SPLIT, batch_size=4, seed=0, augmentation=Augmentation(flip=False)).rows(1)
    assert [image["row"] for image in said["images"]] == expected.tolist()
    for image in said["images"]:
        # Labels alternate in this split.
        assert image["wnid"] == f"n{image['row'] % 2:08}"
        assert image["number"] == image["row"] // 2


def test_a_full_disk_does_not_hide_that_the_loss_is_no_number(
    tmp_path: Path, bars: RecordedBars
) -> None:
    (tmp_path / "diverged-step-00000001.json").mkdir()
    training = trainer(tmp_path, Steps(float("nan")), bars)
    with pytest.raises(Diverged, match=r"4 images a step\); try a smaller"):
        training.train(Position())


def test_an_evaluation_that_is_no_number_ends_the_run_and_is_neither_logged_nor_saved(
    tmp_path: Path, bars: RecordedBars
) -> None:
    broken = tiny_trainee()
    for variable in broken.model.trainable_variables:
        variable.assign(variable.value * np.nan)
    training = trainer(tmp_path, Steps(), bars, trainee=broken)
    with pytest.raises(Diverged, match="the loss on validation images is nan after step 20"):
        run_loop(PLAN, Position(), training, resumed=False, should_stop=lambda: False)
    lines = MetricsLog(tmp_path / "metrics.jsonl").lines()
    assert [type(line) for line in lines] == [TrainLine]
    assert Checkpoints(tmp_path / "checkpoints").steps() == []


def test_a_whole_run_is_shown_logged_and_saved(tmp_path: Path, bars: RecordedBars) -> None:
    steps = Steps()
    end, finished = run_loop(
        PLAN,
        Position(),
        trainer(tmp_path, steps, bars),
        resumed=False,
        should_stop=lambda: False,
    )
    assert finished
    assert end == Position(step=40, evaluated_step=40, meter=Meter())
    assert steps.rates[0] == pytest.approx(0.5)
    assert steps.rates == sorted(steps.rates, reverse=True)
    titles = [bar.title for bar in bars.bars]
    assert titles == ["epoch 1/2", "epoch 1/2 validation", "epoch 2/2", "epoch 2/2 validation"]
    assert all(bar.done == bar.total for bar in bars.bars)
    halfway_s, at_end_s = bars.bars[0].run_left_s, bars.bars[2].run_left_s
    assert halfway_s is not None
    assert halfway_s > 0.0
    assert at_end_s == 0.0
    lines = MetricsLog(tmp_path / "metrics.jsonl").lines()
    assert [type(line) for line in lines] == [TrainLine, EvalLine, TrainLine, EvalLine]
    assert [line.step for line in lines] == [20, 20, 40, 40]
    assert isinstance(lines[1], EvalLine)
    assert lines[1].train_loss == pytest.approx(1.0)
    assert lines[1].train_top1 == pytest.approx(0.5)
    assert Checkpoints(tmp_path / "checkpoints").best_step() is not None


def test_a_resumed_epoch_goes_on_with_its_bar_and_its_means(
    tmp_path: Path, bars: RecordedBars
) -> None:
    start = Position(step=15, meter=Meter(loss_sum=15 * 4 * 3.0, correct=0, images=15 * 4))
    run_loop(
        PLAN,
        start,
        trainer(tmp_path, Steps(), bars),
        resumed=True,
        should_stop=lambda: len(bars.lines) > 0,
    )
    assert bars.bars[0].total == 80
    line = MetricsLog(tmp_path / "metrics.jsonl").lines()[-1]
    assert isinstance(line, EvalLine)
    assert line.train_loss == pytest.approx((15 * 3.0 + 5 * 1.0) / 20)


def test_an_evaluation_that_is_interrupted_counts_as_not_done(
    tmp_path: Path, bars: RecordedBars
) -> None:
    now = Position(step=20, meter=Meter(1.0, 1, 4))
    assert trainer(tmp_path, Steps(), bars, stop=lambda: True).evaluate(now) == now
    assert MetricsLog(tmp_path / "metrics.jsonl").lines() == []


def test_steps_run_ahead_but_never_past_an_epoch_or_a_checkpoint(
    tmp_path: Path, bars: RecordedBars
) -> None:
    steps = Steps(capacity=6)
    training = trainer(tmp_path, steps, bars)
    now = Position(step=16)
    while now.step < 20:
        now = training.train(now)
    assert steps.most_in_flight == 4
    assert steps.in_flight == 0
    assert len(steps.rates) == 4


def test_a_wish_to_stop_lets_the_steps_under_way_finish(tmp_path: Path, bars: RecordedBars) -> None:
    steps = Steps(capacity=3)
    training = trainer(tmp_path, steps, bars, stop=lambda: True)
    now = training.train(Position())
    assert not training.should_stop()
    while not training.should_stop():
        now = training.train(now)
    assert now.step == len(steps.rates) == 3
