"""Models on GPUs: copies that take turns, each with the fastest way to run it there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from imaging import IMAGE_SHAPE
from service.engine.runtime import BoundModel, LoadedModel, open_on_gpu
from service.engine.timing import best_s
from service.ipc.messages import Images, Probabilities
from service.lifecycle import name_thread

log = logging.getLogger(__name__)

# How much faster another way to run must be, and in how many tries, to be worth its memory.
GAIN = 0.95
TRIES = 5
# ONNX Runtime captures a CUDA graph in the second or third run; what comes after is a replay.
CAPTURING_RUNS = 4
# Kernels chosen for a larger batch round otherwise; a replay that reads other buffers than it was
# given is off by far more.
ROUNDING = 0.02


class Open(Protocol):
    """Opens the model on its GPU; with `graphs`, bound runs become CUDA graphs."""

    def __call__(self, *, graphs: bool) -> LoadedModel:
        """Return the model; raises what keeps it from being opened so."""


class OnGpus:
    """Copies of a model on GPUs, two on each: one computes while the other's images travel.

    A run takes the copy that has been idle longest, and waits for one where all are running.
    """

    def __init__(self, copies: list[GpuCopy]) -> None:
        self.copies = len(copies)
        self._idle: SimpleQueue[GpuCopy] = SimpleQueue()
        for each in copies:
            self._idle.put(each)

    def run(self, images: Images, *, alone: bool) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]; `alone` makes no difference."""
        del alone
        copy = self._idle.get()
        try:
            return copy.run(images)
        finally:
            self._idle.put(copy)

    def close(self) -> None:
        """Free the model's memory."""
        for _ in range(self.copies):
            self._idle.get().close()


class GpuCopy:
    """One copy of a model on one GPU, run by a thread of its own.

    The thread is there because ONNX Runtime promises CUDA graphs to a single one. For each size of
    batch the copy runs what was fastest when it was made: a CUDA graph, buffers that stay on the
    GPU, or ONNX Runtime as it is.
    """

    def __init__(self, open_model: Open, classes: int, sizes: list[int], *, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=name_thread, initargs=("lane",))
        self._sizes = sizes
        self._faster: dict[int, BoundModel] = {}
        try:
            self._model = self._thread.submit(open_model, graphs=False).result()
            self._model.check_signature(classes)
            self._thread.submit(self._speed_up, open_model, classes, name).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def run(self, images: Images) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]."""
        return self._thread.submit(self._run, images).result()

    def close(self) -> None:
        """Free the copy's memory, in the thread that has filled it."""
        self._thread.submit(self._forget).result()
        self._thread.shutdown()

    def _run(self, images: Images) -> Probabilities:
        size = next((size for size in self._sizes if size >= len(images)), len(images))
        if size in self._faster:
            return self._faster[size].run(images)
        # cuDNN plans anew for each shape it sees first, and requests shouldn't wait for that.
        return self._model.run(padded(images, size))[: len(images)]

    def _speed_up(self, open_model: Open, classes: int, name: str) -> None:
        for way, graphs in (("as CUDA graphs", True), ("in buffers that stay there", False)):
            try:
                bindable = open_model(graphs=True) if graphs else self._model
                self._faster = faster_bound(self._model, bindable, self._sizes, classes)
            # Whatever it fails with, the model runs without it.
            except Exception as error:  # noqa: BLE001
                log.info("%s can't run batches %s: %s", name, way, error)
                continue
            log.info("%s runs batches of %s %s", name, sorted(self._faster) or "no size", way)
            return

    def _forget(self) -> None:
        self._faster.clear()
        del self._model


def place_on_gpus(
    model: Path, *, gpus: int, copies_each: int, classes: int, max_batch: int
) -> OnGpus:
    """Load a model on every GPU, so many copies on each."""
    made: list[GpuCopy] = []
    sizes = bound_sizes(max_batch)
    try:
        for number in [*range(gpus)] * copies_each:
            open_model = partial(open_on_gpu, model, number)
            made.append(GpuCopy(open_model, classes, sizes, name=f"GPU {number}"))
    except BaseException:
        for each in made:
            each.close()
        raise
    return OnGpus(made)


def padded(images: Images, size: int) -> Images:
    """Return so many images: these, and black ones behind them."""
    if len(images) == size:
        return images
    batch: Images = np.zeros((size, *IMAGE_SHAPE), np.uint8)
    batch[: len(images)] = images
    return batch


def bound_sizes(max_batch: int) -> list[int]:
    """Return the sizes that batches of up to `max_batch` images are run in, ascending.

    No batch is padded by more than half of it.
    """
    sizes = [1, 2, 3]
    while sizes[-1] < max_batch:
        sizes.append(2 * sizes[-2])
    return [each for each in sizes if each < max_batch] + [max_batch]


def faster_bound(
    plain: LoadedModel, bindable: LoadedModel, sizes: list[int], classes: int
) -> dict[int, BoundModel]:
    """Return the sizes at which bound runs of a model are worth it, with the models to run then.

    Raises ArithmeticError where a bound run gives something else than a plain one.
    """
    faster = {}
    for size in sizes:
        bound = bindable.bind(size, classes)
        _check_agreement(plain.run, bound.run, size)
        if best_s(bound.run, size, tries=TRIES) < GAIN * best_s(plain.run, size, tries=TRIES):
            faster[size] = bound
    return faster


def _check_agreement(
    plain: Callable[[Images], Probabilities], bound: Callable[[Images], Probabilities], size: int
) -> None:
    random = np.random.default_rng(size)
    for _ in range(CAPTURING_RUNS):
        # Each of another colour: models tell that, where noise looks to them like other noise.
        colours = random.integers(0, 256, (size, 1, 1, 3), dtype=np.uint8)
        images: Images = np.broadcast_to(colours, (size, *IMAGE_SHAPE)).copy()
        difference = float(np.abs(bound(images) - plain(images)).max())
        # Written so that NaN fails too.
        if not difference <= ROUNDING:
            raise ArithmeticError(
                f"a batch of {size} gave probabilities that are off by {difference:.3f}"
            )
