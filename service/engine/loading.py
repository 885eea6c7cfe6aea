"""From a version's number to a session that may be served."""

from __future__ import annotations

import logging
import math
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from model_store import Manifest
from service.engine.batch_size import worthwhile_batch
from service.engine.device import Device, Hardware
from service.engine.gpus import place_on_gpus
from service.engine.graph_cache import processor
from service.engine.placement import OnCpu, Placement
from service.engine.runtime import runtime
from service.engine.self_test import check_published
from service.engine.session import CLASSES_FILE, OnnxSession, warm_up
from service.engine.source import StoreSource
from service.engine.variants import choose_variant
from service.settings import Settings, usable_cores

log = logging.getLogger(__name__)

# Weights in memory take what they take in the file; the rest is for the largest batch.
MEMORY_PER_FILE_BYTE = 1.2


# What a run may have at most, where nobody says otherwise. On one thread of a processor, larger
# batches gain less than 2% of images/s and cost latency; a GPU's cores are filled by hundreds.
MAX_BATCH = {Device.CPU: 16, Device.CUDA: 128}
# One batch computes while the next one's images travel.
LANES_PER_GPU = 2


@dataclass(frozen=True)
class LoadingPlan:
    """How models are loaded: where they run, on how many threads, and how exact they must be.

    `lanes` batches run at a time, on `threads` each. `most_loss` is in points of top-1 accuracy
    (see variants.py).
    """

    hardware: Hardware
    lanes: int
    threads: int
    max_batch: int
    most_loss: float

    @classmethod
    def of(cls, settings: Settings, hardware: Hardware) -> LoadingPlan:
        """Return the plan for the hardware; what the settings leave open suits it."""
        gpus = hardware.gpus
        return cls(
            hardware,
            lanes=settings.lanes or (LANES_PER_GPU * gpus if gpus else usable_cores()),
            threads=settings.threads_per_lane,
            max_batch=settings.max_batch or MAX_BATCH[hardware.device],
            most_loss=settings.max_accuracy_loss,
        )

    def place(self, model: Path, classes: int) -> Placement:
        """Load the model of a version with so many classes to where it is to run."""
        if self.hardware.device is Device.CPU:
            cores = self.lanes * self.threads
            return OnCpu(model, classes=classes, threads=self.threads, cores=cores)
        return place_on_gpus(
            model,
            gpus=self.hardware.gpus,
            copies_each=math.ceil(self.lanes / self.hardware.gpus),
            classes=classes,
            max_batch=self.max_batch,
        )

    @property
    def circumstances(self) -> str:
        """What the speed of a model depends on here."""
        return f"{self.hardware}, {self.threads} threads, {runtime()}, {processor()}"


class VersionLoader:
    """Loads versions from a source for the manager."""

    def __init__(self, source: StoreSource, plan: LoadingPlan) -> None:
        self._source = source
        self._plan = plan

    def estimate_bytes(self, version: int) -> int:
        """Return about how much memory the version will take; StoreError if it can't be had."""
        manifest = self._source.manifest(self._source.entry(version))
        return int(MEMORY_PER_FILE_BYTE * manifest.find(self._choose(manifest)).size)

    def load(self, version: int) -> OnnxSession:
        """Fetch, verify, load, warm up and self-test a version; closing it gives its folder back.

        Raises StoreError if it can't be had and BadModel if it can't be served; nothing is held
        then.
        """
        file = self._choose(self._source.manifest(self._source.entry(version)))
        folder = self._source.fetch(version, (file, CLASSES_FILE))
        plan = self._plan
        with ExitStack() as undo:
            giving_back = partial(self._source.release, folder)
            undo.callback(giving_back)
            session = OnnxSession.load(folder, plan.place, file=file, closed=giving_back)
            warm_up(session, plan.max_batch, lanes=plan.lanes)
            manifest = self._source.manifest_in(folder)
            for _ in range(session.copies):
                check_published(session, manifest, file)
            session.batch_images = worthwhile_batch(
                session.run,
                plan.max_batch,
                note=folder / f".{file}.batch.json",
                circumstances=plan.circumstances,
            )
            undo.pop_all()
        log.info("version %d runs %s on %s", version, file, plan.hardware)
        return session

    def _choose(self, manifest: Manifest) -> str:
        files = [entry.name for entry in manifest.files]
        return choose_variant(
            files, manifest.metrics, self._plan.hardware.device, self._plan.most_loss
        )
