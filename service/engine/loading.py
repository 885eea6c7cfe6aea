"""From a version's number to a session that may be served."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from model_store import Manifest
from service.engine.batch_size import worthwhile_batch
from service.engine.device import Device
from service.engine.graph_cache import processor
from service.engine.self_test import check_published
from service.engine.session import CLASSES_FILE, OnnxSession, runtime, warm_up
from service.engine.source import StoreSource
from service.engine.variants import choose_variant

log = logging.getLogger(__name__)

# Weights in memory take what they take in the file; the rest is for the largest batch.
MEMORY_PER_FILE_BYTE = 1.2


@dataclass(frozen=True)
class LoadingPlan:
    """How models are loaded: where they run, on how many threads, and how exact they must be.

    `threads` are those of one run, `cores` those of a run that nothing else shares. `most_loss` is
    in points of top-1 accuracy (see variants.py).
    """

    device: Device
    threads: int
    cores: int
    max_batch: int
    most_loss: float


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
            session = OnnxSession.load(
                folder,
                threads=plan.threads,
                cores=plan.cores,
                file=file,
                device=plan.device,
                closed=giving_back,
            )
            warm_up(session, plan.max_batch)
            check_published(session, self._source.manifest_in(folder), file)
            session.batch_images = worthwhile_batch(
                session.run,
                plan.max_batch,
                note=folder / f".{file}.batch.json",
                circumstances=f"{plan.device}, {plan.threads} threads, {runtime()}, {processor()}",
            )
            undo.pop_all()
        log.info("version %d runs %s on %s", version, file, plan.device)
        return session

    def _choose(self, manifest: Manifest) -> str:
        files = [entry.name for entry in manifest.files]
        return choose_variant(files, manifest.metrics, self._plan.device, self._plan.most_loss)
