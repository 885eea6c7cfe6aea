"""What a model answered for each validation image: enough for a report, without a model or TF."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.data.prepared import Split
from training.errors import RunFolderError
from training.evaluation.evaluate import Predict, in_batches
from training.progress import Bars

KEPT = 5


class Predictions(msgspec.Struct, frozen=True):
    """For image i of the split: its class `labels[i]`, that class's probability `own[i]`, and the
    most probable classes `best[i]`, best first, with their probabilities `shares[i]`.

    Shapes [N], [N], [N, k], [N, k] with k = min(5, classes); int32 and float32.
    """

    labels: NDArray[np.int32]
    own: NDArray[np.float32]
    best: NDArray[np.int32]
    shares: NDArray[np.float32]

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Return for each image whether its class was the first guess."""
        found: NDArray[np.bool_] = self.best[:, 0] == self.labels
        return found

    @property
    def within_best(self) -> NDArray[np.bool_]:
        """Return for each image whether its class was among the k most probable ones."""
        found: NDArray[np.bool_] = (self.best == self.labels[:, None]).any(axis=1)
        return found


class Collector:
    """Gathers predictions batch by batch."""

    def __init__(self) -> None:
        self._batches: list[Predictions] = []

    def add(self, probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
        """Take the probabilities [N, classes] of the next images, which have these labels [N]."""
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :KEPT]
        self._batches.append(
            Predictions(
                labels=np.asarray(labels, np.int32),
                own=probabilities[np.arange(len(labels)), labels],
                best=best.astype(np.int32),
                shares=np.take_along_axis(probabilities, best, axis=1),
            )
        )

    def predictions(self) -> Predictions:
        """Return those of all images so far. Raises ValueError when there were none."""
        return Predictions(
            *(
                np.concatenate([getattr(batch, name) for batch in self._batches])
                for name in Predictions.__struct_fields__
            )
        )


def predict_all(predict: Predict, split: Split, bars: Bars, *, title: str) -> Predictions:
    """Return the predictions for all images of a split."""
    collector = Collector()
    with bars.open(title, total=len(split), unit="images") as bar:
        for batch in in_batches(split):
            collector.add(predict(batch.images), batch.labels)
            bar.advance(len(batch.labels))
    return collector.predictions()


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write them to one .npz file, whole or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **msgspec.structs.asdict(predictions))
    partial.replace(path)


def read_predictions(path: Path) -> Predictions | None:
    """Return what was written, None when nothing was. Raises RunFolderError when it's damaged."""
    try:
        # np.load doesn't close a file that it opened and then can't read.
        with path.open("rb") as file, np.load(file) as arrays:
            return Predictions(*(arrays[name] for name in Predictions.__struct_fields__))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunFolderError(f"{path}: damaged ({error}); delete it and try again") from None
