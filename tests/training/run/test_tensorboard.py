"""The event files, read back as TensorBoard reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from training.backend import tf
from training.position import Position
from training.run.metrics_log import EvalLine, Line, MetricsLog, TrainLine
from training.run.tensorboard import TRAIN, VALIDATION, EventFiles, numbers


def trained(step: int, loss: float = 1.0) -> TrainLine:
    return TrainLine(step=step, epoch=1, loss=loss, top1=0.25, learning_rate=0.1, images_per_s=50.0)


def evaluated(step: int, loss: float = 2.0) -> EvalLine:
    return EvalLine(
        step=step, epoch=1, loss=loss, top1=0.5, top5=0.75, images=8, train_loss=1.0, train_top1=0.1
    )


@pytest.fixture
def clock() -> Iterator[float]:
    return iter(float(second) for second in range(1_000, 9_000))


def log_of(folder: Path, clock: Iterator[float]) -> MetricsLog:
    def now() -> float:
        return next(clock)

    mirrors = [EventFiles(folder / "tensorboard", clock=now)]
    return MetricsLog(folder / "metrics.jsonl", mirrors=mirrors, clock=now)


def events(folder: Path) -> list[Any]:
    """All events of the one file in a folder."""
    (file,) = folder.glob("events.out.tfevents.*")
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    return [tf.compat.v1.Event.FromString(record) for record in records]


def points(folder: Path) -> list[tuple[int, float, dict[str, float]]]:
    """Step, time and numbers of each point in a folder, in the order of the file."""
    return [
        (event.step, event.wall_time, {each.tag: each.simple_value for each in event.summary.value})
        for event in events(folder)
        if event.HasField("summary")
    ]


def expected(lines: list[Line]) -> list[tuple[int, float, Any]]:
    return [(line.step, line.at, pytest.approx(numbers(line))) for line in lines]


def test_tensorboard_gets_the_numbers_of_the_log(tmp_path: Path, clock: Iterator[float]) -> None:
    log = log_of(tmp_path, clock)
    log.rewind(Position())
    for line in (trained(20), trained(40, 0.5), evaluated(50), trained(60)):
        log.write(line)
    lines = log.lines()
    assert points(tmp_path / "tensorboard" / TRAIN) == expected([lines[0], lines[1], lines[3]])
    assert points(tmp_path / "tensorboard" / VALIDATION) == expected([lines[2]])
    assert numbers(lines[0]).keys() == {"loss", "top-1", "learning rate", "images/s"}
    assert numbers(lines[2]).keys() == {"loss", "top-1", "top-5"}


def test_a_resumed_run_has_every_point_once_with_the_time_it_was_logged_first(
    tmp_path: Path, clock: Iterator[float]
) -> None:
    killed = log_of(tmp_path, clock)
    killed.rewind(Position())
    for line in (trained(20), trained(40), evaluated(50), trained(60, 9.0), evaluated(60, 9.0)):
        killed.write(line)
    first_times = [line.at for line in killed.lines()[:3]]

    resumed = log_of(tmp_path, clock)
    resumed.rewind(Position(step=50, evaluated_step=50))
    for line in (trained(60), evaluated(60)):
        resumed.write(line)

    lines = resumed.lines()
    assert [line.step for line in lines] == [20, 40, 50, 60, 60]
    assert [line.at for line in lines[:3]] == first_times
    training = [line for line in lines if isinstance(line, TrainLine)]
    validation = [line for line in lines if isinstance(line, EvalLine)]
    assert points(tmp_path / "tensorboard" / TRAIN) == expected([*training])
    assert points(tmp_path / "tensorboard" / VALIDATION) == expected([*validation])


def test_a_tensorboard_that_is_running_forgets_what_it_read_before_the_resume(
    tmp_path: Path, clock: Iterator[float]
) -> None:
    folder = tmp_path / "tensorboard" / TRAIN
    log_of(tmp_path, clock).rewind(Position())
    (before,) = folder.iterdir()
    log_of(tmp_path, clock).rewind(Position())
    (after,) = folder.iterdir()
    assert after.name > before.name
    version, start = events(folder)
    assert version.file_version == "brain.Event:2"
    assert start.session_log.status == tf.compat.v1.SessionLog.START
    assert start.step == 0
