"""What the store wants served: all of it, every time somebody asks."""

from __future__ import annotations

import logging
from pathlib import Path

from model_store import (
    Catalog,
    Manifest,
    ModelStore,
    NotFound,
    StoreError,
    VersionCache,
    VersionEntry,
)
from service import metrics
from service.engine.wanted import Wanted, wanted_of
from service.settings import Serve

log = logging.getLogger(__name__)


class StoreSource:
    """Polls one model's catalog and fetches its versions through the local cache.

    While the store is away, the catalog last seen (by this process or, after a restart, by an
    earlier one) stays in force, and versions in the cache can be fetched all the same.
    """

    def __init__(self, store: ModelStore, cache: VersionCache, model: str, serve: Serve) -> None:
        self._store = store
        self._cache = cache
        self._model = model
        self._serve = serve
        self._catalog: Catalog | None = None
        self.problem = ""

    def poll(self) -> Wanted:
        """Return what is wanted; `problem` then says why the store couldn't be read, or ''."""
        try:
            self._update(self._store.catalog(self._model, known=self._catalog))
        except StoreError as error:
            metrics.STORE_ERRORS.labels(type(error).__name__).inc()
            if not self.problem:
                log.warning("the store can't be read, going on with what is known: %s", error)
            self.problem = str(error)
            if self._catalog is None:
                self._catalog = self._cache.recall(self._store.url, self._model)
        else:
            if self.problem:
                log.info("the store can be read again")
            self.problem = ""
        if self._catalog is None:
            return Wanted()
        return wanted_of(self._catalog, self._serve)

    def _update(self, catalog: Catalog) -> None:
        if catalog is self._catalog:
            return
        if catalog.etag is None and self._cache.recall(self._store.url, self._model):
            # A catalog never goes away by regular means; a folder that isn't mounted looks so.
            raise NotFound(f"{self._store.url} has no catalog of {self._model!r} any more")
        self._catalog = catalog
        if catalog.etag is not None:
            self._remember(catalog)

    @property
    def catalog(self) -> Catalog | None:
        """The catalog seen last; None before there was one."""
        return self._catalog

    def manifest(self, entry: VersionEntry) -> Manifest:
        """Return a version's manifest, from the cache if it is there; raises StoreError."""
        cached = self._cache.manifest(self._store.url, self._model, entry)
        return cached or self._store.manifest(self._model, entry.version)

    def manifest_in(self, folder: Path) -> Manifest:
        """Return the manifest in a folder from `fetch`."""
        return self._cache.manifest_in(folder)

    def entry(self, version: int) -> VersionEntry:
        """Return what the catalog says of a version, however old it is; raises StoreError."""
        here = self._catalog.get(version) if self._catalog else None
        return here or self._cache.entry(self._store, self._model, version)

    def waiting_for(self) -> str:
        """Say in one line what a service without any version is waiting for."""
        if self.problem:
            return f"the store can't be read: {self.problem}"
        return f"{self._store.url} holds no version of {self._model!r} for {self._serve}"

    def release(self, folder: Path) -> None:
        """Tell the cache that a folder from `fetch` isn't needed any more."""
        self._cache.release(folder)

    def fetch(self, version: int, files: tuple[str, ...]) -> Path:
        """Return a folder with the verified files of a version; StoreError if it can't be had."""
        try:
            return self._cache.fetch(self._store, self._model, version, files=files)
        except StoreError as error:
            metrics.STORE_ERRORS.labels(type(error).__name__).inc()
            raise

    def _remember(self, catalog: Catalog) -> None:
        # Only a start without the store needs the note; serving goes on without it.
        try:
            self._cache.remember(self._store.url, catalog)
        except StoreError as error:
            log.warning("the catalog can't be kept for a start without the store: %s", error)
