"""Reads and writes the pages that a long catalog's older rows lie in.

A page is written once, under a name that nothing else has, before the catalog that names it. A
crash in between leaves a page that no catalog names; `gc` removes it.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from dataclasses import replace

from model_store.archive import (
    Bounds,
    admit,
    archive_events,
    archive_versions,
    excess_events,
    excess_versions,
    labelled_in_pages,
    page_to_reopen,
)
from model_store.backends.base import Backend
from model_store.catalog import Catalog, Event, EventPage, VersionEntry, VersionPage
from model_store.catalog_json import decode_events, decode_versions, encode_events, encode_versions
from model_store.errors import Corrupt, NotFound
from model_store.layout import PAGE, event_page, page_prefix, version_page
from model_store.runs import holds


class Pages:
    """The pages of all catalogs of one store."""

    def __init__(self, url: str, backend: Backend, bounds: Bounds) -> None:
        self._url = url
        self._backend = backend
        self._bounds = bounds

    def entry(self, catalog: Catalog, version: int) -> VersionEntry:
        """Return the version's row, from its page where it is archived; raise NotFound."""
        here = catalog.get(version)
        if here is not None:
            return here
        page = catalog.page_of(catalog.check_exists(version))
        for entry in self._versions(catalog.model, page) if page else ():
            if entry.version == version:
                return entry
        raise Corrupt(
            f"{self._url}: the page of {catalog.model} {version} lacks it; restore the catalog"
            " from a copy"
        )

    def whole(self, catalog: Catalog) -> Catalog:
        """Return the same catalog with all rows in it and no pages."""
        if not (catalog.version_pages or catalog.event_pages):
            return catalog
        archived = [
            entry for page in catalog.version_pages for entry in self._versions(catalog.model, page)
        ]
        complete = admit(self.with_history(catalog), archived)
        return replace(complete, version_pages=(), event_pages=())

    def with_history(self, catalog: Catalog) -> Catalog:
        """Return the catalog with all events in it; their pages stay named."""
        if not catalog.event_pages:
            return catalog
        older = (self._events(catalog.model, page) for page in catalog.event_pages)
        return replace(
            catalog, history=(*(event for each in older for event in each), *catalog.history)
        )

    def settle(self, catalog: Catalog) -> Catalog:
        """Return the catalog with every row where it belongs, after writing the pages it names."""
        labelled = [self.entry(catalog, number) for number in sorted(labelled_in_pages(catalog))]
        if labelled:
            catalog = admit(catalog, labelled)
        while page := page_to_reopen(catalog, self._bounds):
            catalog = admit(catalog, self._versions(catalog.model, page))
        while entries := excess_versions(catalog, self._bounds):
            data = encode_versions(catalog.model, entries)
            name = version_page(catalog.next_version, _nonce())
            catalog = archive_versions(
                catalog, entries, name=name, sha256=self._write(catalog.model, name, data)
            )
        while events := excess_events(catalog, self._bounds):
            data = encode_events(catalog.model, events)
            name = event_page(catalog.event_count, _nonce())
            catalog = archive_events(
                catalog, len(events), name=name, sha256=self._write(catalog.model, name, data)
            )
        return catalog

    def _versions(self, model: str, page: VersionPage) -> tuple[VersionEntry, ...]:
        """Return the rows that only the page holds."""
        if not page.runs:
            return ()
        data, where = self._read(model, page.name, page.sha256)
        rows = decode_versions(data, model=model, where=where)
        return tuple(row for row in rows if holds(page.runs, row.version))

    def _events(self, model: str, page: EventPage) -> tuple[Event, ...]:
        data, where = self._read(model, page.name, page.sha256)
        return decode_events(data, model=model, where=where)

    def _read(self, model: str, name: str, sha256: str) -> tuple[bytes, str]:
        key = f"{page_prefix(model, name)}/{PAGE}"
        where = f"{self._url}/{key}"
        try:
            blob = self._backend.read(key)
        except NotFound as error:
            raise Corrupt(
                f"{where} is gone although the catalog names it; restore it from a copy"
            ) from error
        assert blob is not None  # noqa: S101 - an unconditional read has no "unchanged"
        if hashlib.sha256(blob.data).hexdigest() != sha256:
            raise Corrupt(
                f"{where} isn't what the catalog names (SHA-256 differs); restore it from a copy"
            )
        return blob.data, where

    def _write(self, model: str, name: str, data: bytes) -> str:
        with self._backend.stage(page_prefix(model, name)) as stage:
            stage.add(PAGE, io.BytesIO(data), len(data))
            stage.seal()
        return hashlib.sha256(data).hexdigest()


def _nonce() -> str:
    return uuid.uuid4().hex[:16]
