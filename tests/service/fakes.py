"""Stand-ins that behave: an engine without a process, a session without a model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from service.changes import Change, LoadVersion, ShelfState
from service.correlation import Correlation, current
from service.errors import DeadlineExceeded, ServiceError, VersionNotFound
from service.facts import Origin, VersionFacts
from service.ipc.messages import (
    Answer,
    ClassName,
    EngineState,
    Images,
    Probabilities,
    VersionStatus,
)
from service.reference import DEFAULT, VersionRef
from service.statistics import VersionStatistics
from service.web.deadline import deadline

T = TypeVar("T")

ORIGIN = Origin("single", 1, 8, "d" * 64, "1.2.3", None, "2026-01-01T00:00:00Z", "trainer")

CLASSES = tuple(ClassName(f"n{index:08d}", f"class {index}") for index in range(10))


def sure_of(index: int, images: int) -> Probabilities:
    """Return probabilities that favour one class, the others falling off by index."""
    scores = 0.01 * np.arange(10, 0, -1, dtype=np.float32)
    scores[index] += 1
    row = (scores / scores.sum()).astype(np.float32)
    return np.tile(row, (images, 1))


class FakeSession:
    """Answers with the class that its version number says; can be held up or made to fail."""

    def __init__(self, version: int) -> None:
        self.classes = CLASSES
        self.file = "model.onnx"
        self.batch_images = 1000
        self.version = version
        self.go_on = threading.Event()
        self.go_on.set()
        self.began = threading.Event()
        self.failure: Exception | None = None
        self.batches: list[int] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        self.began.set()
        assert self.go_on.wait(10)
        self.batches.append(len(images))
        if self.failure is not None:
            raise self.failure
        return sure_of(self.version, len(images))


class FakeEngine:
    """An engine for views: versions 2 and 3 are served, 3 by default."""

    def __init__(self) -> None:
        self.error: ServiceError | None = None
        self.surprise: Exception | None = None
        self.seen: list[Images] = []
        self.deadlines: list[float] = []
        self.correlations: list[Correlation] = []
        self.changes: list[tuple[str, Change]] = []
        self.threaded = 0
        self.decoded: list[int] = []
        self.versions: tuple[VersionStatus, ...] = (
            VersionStatus(2, "AVAILABLE"),
            VersionStatus(3, "AVAILABLE"),
            VersionStatus(4, "END", "its file is damaged"),
        )
        self.default: int | None = 3
        self.labels = {"production": 2}
        self.shelf: tuple[VersionFacts, ...] = (
            VersionFacts(2, "2026-01-01T00:00:00Z", "ada@lab", 1000, {"model.onnx": 0.61}, ORIGIN),
            VersionFacts(3, "2026-01-02T00:00:00Z", "ada@lab", 1000, {"model.onnx": 0.64}, ORIGIN),
        )

        self.counted: tuple[VersionStatistics, ...] = ()
        # What the versions are after each pause.
        self.upcoming: list[tuple[VersionStatus, ...]] = []

    def infer(self, images: Images, ref: VersionRef = DEFAULT) -> Answer:
        self._check()
        self.deadlines.append(deadline())
        self.seen.append(images)
        self.correlations.append(current())
        chosen = self.labels.get(ref.label) if ref.label else ref.number or self.default
        if chosen not in (2, 3):
            raise VersionNotFound(f"{ref} isn't being served; available: 2, 3")
        return Answer(chosen, sure_of(chosen, len(images)))

    def state(self) -> EngineState:
        self._check()
        waiting = "" if self.default else "version 3 is loading"
        return EngineState("resnet50", self.default, self.versions, waiting, self.labels)

    def classes(self, version: int) -> tuple[ClassName, ...]:
        return CLASSES

    def administer(self, change: Change | None, *, by: str) -> ShelfState:
        self._check()
        if change is not None:
            self.changes.append((by, change))
        if isinstance(change, LoadVersion) and change.version not in (
            each.version for each in self.versions
        ):
            self.versions += (VersionStatus(change.version, "AVAILABLE"),)
        return ShelfState(self.labels, {}, (), (), ())

    def facts(self) -> tuple[VersionFacts, ...]:
        self._check()
        return self.shelf

    def statistics(self) -> tuple[VersionStatistics, ...]:
        self._check()
        return self.counted

    def pause(self, seconds: float) -> None:
        if not self.upcoming:
            raise DeadlineExceeded("nothing more will happen")
        self.versions = self.upcoming.pop(0)

    def in_thread(self, work: Callable[[], T]) -> T:
        self.threaded += 1
        return work()

    def decode(self, work: Callable[[], T], *, images: int) -> T:
        self.decoded.append(images)
        return work()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
        if self.surprise is not None:
            raise self.surprise
