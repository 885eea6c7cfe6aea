"""Where a loaded model's batches run: on the processor's cores, or on GPUs (gpus.py)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

from service.engine.graph_cache import is_optimized, optimized_graph
from service.engine.runtime import open_on_cpu, runtime, write_optimized
from service.engine.timing import best_s
from service.ipc.messages import Images, Probabilities

# How much faster all cores must be at one image, and in how many tries, to be worth a session.
WIDE_GAIN = 0.95
TRIES = 5


class Placement(Protocol):
    """A model that has been placed; `run` may be called from several threads at once."""

    @property
    def copies(self) -> int:
        """How many copies take turns: so many runs in a row are one on each."""

    def run(self, images: Images, *, alone: bool) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3].

        `alone` says that nothing else runs meanwhile, so that every core may be used.
        """

    def close(self) -> None:
        """Free the model's memory; nothing runs any more."""


class OnCpu:
    """A model on the processor: each run on a few threads, one that is alone on all cores."""

    copies = 1

    def __init__(self, model: Path, *, classes: int, threads: int, cores: int) -> None:
        graph = optimized_graph(model, runtime(), partial(write_optimized, model))
        place = partial(open_on_cpu, graph, optimized=is_optimized(graph))
        self._model = place(threads)
        self._model.check_signature(classes)
        self._wide = self._model
        if cores != threads:
            wide = place(cores, spinning=True)
            if best_s(wide.run, 1, tries=TRIES) < WIDE_GAIN * best_s(
                self._model.run, 1, tries=TRIES
            ):
                self._wide = wide

    def run(self, images: Images, *, alone: bool) -> Probabilities:
        """Return float32 [N, classes] for uint8 [N, 64, 64, 3]."""
        return (self._wide if alone else self._model).run(images)

    def close(self) -> None:
        """Free the model's memory."""
        del self._model, self._wide
