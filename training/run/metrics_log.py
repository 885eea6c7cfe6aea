"""`metrics.jsonl`: one JSON object a line, of kind `train` or `eval`, in the order of steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from training.position import Position


class TrainLine(msgspec.Struct, frozen=True, tag_field="kind", tag="train"):
    """Means over the steps since the line before, within an epoch; `at` is Unix time in seconds."""

    step: int
    epoch: int
    loss: float
    top1: float
    learning_rate: float
    images_per_s: float
    images_a_step: int = 0
    at: float = 0.0


class EvalLine(msgspec.Struct, frozen=True, tag_field="kind", tag="eval"):
    """The end of an epoch: validation, and the means of training over the whole epoch."""

    step: int
    epoch: int
    loss: float
    top1: float
    top5: float
    images: int
    train_loss: float
    train_top1: float
    at: float = 0.0


Line = TrainLine | EvalLine


class Mirror(Protocol):
    """Shows the lines elsewhere."""

    def write(self, line: Line) -> None:
        """Add one line."""
        ...

    def rewrite(self, lines: Sequence[Line]) -> None:
        """Replace everything by these lines."""
        ...


class MetricsLog:
    """Appends to the file; a line is written whole before `write` returns.

    `mirrors` get every line that the file gets, and forget with it.
    """

    def __init__(
        self, path: Path, *, mirrors: Sequence[Mirror] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._mirrors = mirrors
        self._clock = clock

    def write(self, line: Line) -> None:
        """Append one line, stamped with the time."""
        stamped = msgspec.structs.replace(line, at=self._clock())
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(stamped) + b"\n")
        for mirror in self._mirrors:
            mirror.write(stamped)

    def lines(self) -> list[Line]:
        """Return all complete lines."""
        if not self._path.exists():
            return []
        found: list[Line] = []
        for text in self._path.read_bytes().splitlines():
            try:
                found.append(msgspec.json.decode(text, type=Line))
            except msgspec.MsgspecError:
                break  # the process was killed while writing this one
        return found

    def rewind(self, position: Position) -> None:
        """Forget what comes after `position`: a resumed run writes it again."""
        kept = [line for line in self.lines() if line.step <= _last_step(line, position)]
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in kept))
        partial.replace(self._path)
        for mirror in self._mirrors:
            mirror.rewrite(kept)


def _last_step(line: Line, position: Position) -> int:
    return position.evaluated_step if isinstance(line, EvalLine) else position.step
