"""Which images a step trained on that ended in no number: often they are what is wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.data.batches import Batches
from training.data.prepared import PreparedData
from training.errors import Diverged


class _Image(msgspec.Struct, frozen=True):
    """A training image: its row in the prepared data, its class, and its place in the class.

    `number` counts the files of `train/WNID/images` from 0, in the order of the numbers in their
    names.
    """

    row: int
    wnid: str
    label: str
    number: int


class _Record(msgspec.Struct, frozen=True):
    step: int
    loss: str
    learning_rate: float
    images: list[_Image]


class Divergence:
    """Explains a loss that isn't finite, and writes the batch down where `folder` is given."""

    def __init__(self, batches: Batches, data: PreparedData, folder: Path | None) -> None:
        self._batches = batches
        self._data = data
        self._folder = folder

    def explain(self, step: int, loss: float, learning_rate: float) -> Diverged:
        """Return the error to raise; `step` is counted from 0, messages count from 1."""
        rows = self._batches.rows(step)
        place = None
        if self._folder is not None:
            place = self._folder / f"diverged-step-{step + 1:08}.json"
            record = _Record(
                step=step + 1,
                loss=str(loss),
                learning_rate=learning_rate,
                images=[self._image(int(row)) for row in rows],
            )
            try:
                place.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
            except OSError:
                place = None  # a full disk mustn't hide what happened
        where = f"; its images are listed in {place}" if place else ""
        return Diverged(
            f"the loss is {loss} at step {step + 1} (learning rate {learning_rate:.4g}, "
            f"{len(rows)} images a step){where}; try a smaller --learning-rate"
        )

    def _image(self, row: int) -> _Image:
        label = int(self._data.train.labels[row])
        # Training images are sorted by class, see `training.data.layout.read_layout`.
        number = int((self._data.train.labels[:row] == label).sum())
        name = self._data.classes[label]
        return _Image(row=row, wnid=name.wnid, label=name.label, number=number)
