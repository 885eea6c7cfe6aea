"""One loaded version: its model where it runs, its classes, and whether it answers at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from service.engine.batch_size import sizes
from service.engine.placement import Placement
from service.engine.runtime import WrongSignature
from service.ipc.messages import ClassName, Images, Probabilities

MODEL_FILE = "model.onnx"
CLASSES_FILE = "classes.json"

# Probabilities of one image add up to 1 within what float32 loses; a softmax quantized to int8, in
# steps of 1/255, doesn't, and belongs in float.
SUM_TOLERANCE = 0.02


# Loads the model of a file, whose version has so many classes, to where it is to run.
Place = Callable[[Path, int], Placement]


class BadModel(Exception):
    """The version can't be served as it is; the message says why."""


class Session(Protocol):
    """A loaded version that answers batches; `run` may be called from several threads at once."""

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The meaning of each output, in order."""

    @property
    def file(self) -> str:
        """The model file of the version's folder that is loaded."""

    @property
    def batch_images(self) -> int:
        """How many images a batch of several requests may have."""

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3].

        `alone` says that nothing else runs meanwhile, so that every core may be used.
        """

    def close(self) -> None:
        """Let go of what the session holds; nothing runs any more."""


class OnnxSession:
    """A version's model in its place, with the names in its `classes.json`."""

    def __init__(
        self,
        placement: Placement,
        classes: tuple[ClassName, ...],
        file: str,
        closed: Callable[[], None],
    ) -> None:
        self._placement = placement
        self.classes = classes
        self.file = file
        self.batch_images = 1
        self._closed = closed

    @classmethod
    def load(
        cls,
        folder: Path,
        place: Place,
        *,
        file: str = MODEL_FILE,
        closed: Callable[[], None] = lambda: None,
    ) -> OnnxSession:
        """Place and check the model; takes seconds and belongs off the request path.

        `closed` is called once, by `close`. Raises BadModel when a file can't be read, or the
        model's signature isn't `image` uint8 [N, 64, 64, 3] → `probabilities` float32
        [N, classes].
        """
        classes = _read_classes(folder / CLASSES_FILE)
        try:
            placement = place(folder / file, len(classes))
        except WrongSignature as error:
            raise BadModel(f"{file} {error}") from None
        # ONNX Runtime's exceptions share no public base class.
        except Exception as error:
            raise BadModel(f"{file} can't be loaded: {_first_line(error)}") from error
        return cls(placement, classes, file, closed)

    @property
    def copies(self) -> int:
        """How many copies of the model take turns: so many runs in a row are one on each."""
        return self._placement.copies

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]."""
        return self._placement.run(images, alone=alone)

    def close(self) -> None:
        """Free the model's memory and tell whoever lent the folder."""
        self._placement.close()
        self._closed()


def warm_up(session: Session, max_batch: int, *, lanes: int) -> None:
    """Run batches of every power of two up to `max_batch` and check that they give probabilities.

    First runs are slow, and the first ones of several at once take more memory (ONNX Runtime plans
    and allocates); nobody's request should pay for that, so each size runs on all lanes at once.
    Raises BadModel when an answer isn't what it must be.
    """
    random = np.random.default_rng(0)
    with ThreadPoolExecutor(lanes) as threads:
        for size in sizes(max_batch):
            images = random.integers(0, 256, (size, *IMAGE_SHAPE), dtype=np.uint8)
            for running in [threads.submit(session.run, images) for _ in range(lanes)]:
                try:
                    answer = running.result()
                except Exception as error:
                    reason = _first_line(error)
                    raise BadModel(f"a test run on {size} images failed: {reason}") from error
                _check_probabilities(answer, size, len(session.classes))


def _check_probabilities(answer: Probabilities, images: int, classes: int) -> None:
    if answer.shape != (images, classes):
        raise BadModel(f"a test run gave shape {answer.shape}, not {(images, classes)}")
    if not np.isfinite(answer).all() or (answer < 0).any():
        raise BadModel("a test run gave values that aren't probabilities (NaN or negative)")
    furthest = float(np.abs(answer.sum(axis=1) - 1).max())
    if furthest > SUM_TOLERANCE:
        raise BadModel(f"a test run gave probabilities whose sum is off by {furthest:.3f}")


def _read_classes(path: Path) -> tuple[ClassName, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[ClassName, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise BadModel(f"{path.name} can't be read: {error}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
