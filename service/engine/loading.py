"""From a version's number to a session that may be served."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from service.engine.self_test import check_published
from service.engine.session import FILES, MODEL_FILE, OnnxSession, warm_up
from service.engine.source import StoreSource

# Weights in memory take what they take in the file; the rest is for the largest batch.
MEMORY_PER_FILE_BYTE = 1.2


class VersionLoader:
    """Loads versions from a source for the manager."""

    def __init__(self, source: StoreSource, *, threads: int, cores: int, max_batch: int) -> None:
        self._source = source
        self._threads = threads
        self._cores = cores
        self._max_batch = max_batch

    def estimate_bytes(self, version: int) -> int:
        """Return about how much memory the version will take; StoreError if it can't be had."""
        manifest = self._source.manifest(self._source.entry(version))
        return int(MEMORY_PER_FILE_BYTE * manifest.find(MODEL_FILE).size)

    def load(self, version: int) -> OnnxSession:
        """Fetch, verify, load, warm up and self-test a version; closing it gives its folder back.

        Raises StoreError if it can't be had and BadModel if it can't be served; nothing is held
        then.
        """
        folder = self._source.fetch(version, FILES)
        with ExitStack() as undo:
            giving_back = partial(self._source.release, folder)
            undo.callback(giving_back)
            session = OnnxSession.load(
                folder, threads=self._threads, cores=self._cores, closed=giving_back
            )
            warm_up(session, self._max_batch)
            check_published(session, self._source.manifest_in(folder), MODEL_FILE)
            undo.pop_all()
        return session
