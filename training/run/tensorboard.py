"""What TensorBoard shows of a run: the numbers of `metrics.jsonl` as event files.

Two of TensorBoard's runs, `train` and `validation`, whose tags have the same names, so that it
draws the loss of both into one chart, and the accuracy. Each has one file. It is written anew from
the lines of `metrics.jsonl` when a run begins or goes on, so no point is missing or there twice;
the events keep the times at which they were logged first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.backend import tf
from training.run.metrics_log import EvalLine, Line, TrainLine

TRAIN, VALIDATION = "train", "validation"
_VERSION = "brain.Event:2"


class EventFiles:
    """Writes `folder/train/` and `folder/validation/`; each event is in its file on return."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folders: dict[type[Line], Path] = {
            TrainLine: folder / TRAIN,
            EvalLine: folder / VALIDATION,
        }
        self._writers: dict[type[Line], Any] = {}
        self._clock = clock

    def write(self, line: Line) -> None:
        """Add what one line of the log says. Raises OSError when it can't be written."""
        kind = type(line)
        if kind not in self._writers:
            self._begin(kind)
        self._append(kind, [_event(line)])

    def rewrite(self, lines: Sequence[Line]) -> None:
        """Replace all that was written by these lines. Raises OSError."""
        kinds: tuple[type[Line], ...] = (TrainLine, EvalLine)
        for kind in kinds:
            self._begin(kind)
            self._append(kind, [_event(line) for line in lines if isinstance(line, kind)])

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _begin(self, kind: type[Line]) -> None:
        """Replace the file by a new one, of a later name, so that a running TensorBoard sees it."""
        if kind in self._writers:
            self._writers.pop(kind).close()
        folder = self._folders[kind]
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        now = self._clock()
        path = folder / f"events.out.tfevents.{int(now * 1000):014d}.hotshelf"
        self._writers[kind] = tf.io.TFRecordWriter(str(path))
        # A session that starts at step 0 tells a running TensorBoard to forget what it has read.
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._append(
            kind,
            [
                tf.compat.v1.Event(wall_time=now, file_version=_VERSION),
                tf.compat.v1.Event(wall_time=now, step=0, session_log=start),
            ],
        )

    def _append(self, kind: type[Line], events: Sequence[Any]) -> None:
        writer = self._writers[kind]
        try:
            for event in events:
                writer.write(event.SerializeToString())
            writer.flush()
        except tf.errors.OpError as error:
            raise OSError(f"{self._folders[kind]}: {error.message}") from None


def _event(line: Line) -> Any:
    values = [
        tf.compat.v1.Summary.Value(tag=tag, simple_value=value)
        for tag, value in numbers(line).items()
    ]
    summary = tf.compat.v1.Summary(value=values)
    return tf.compat.v1.Event(wall_time=line.at, step=line.step, summary=summary)


def numbers(line: Line) -> dict[str, float]:
    """Return what a line says by the tags under which TensorBoard shows it."""
    shown = {"loss": line.loss, "top-1": line.top1}
    if isinstance(line, EvalLine):
        return shown | {"top-5": line.top5}
    return shown | {"learning rate": line.learning_rate, "images/s": line.images_per_s}
