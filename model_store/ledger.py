"""Reads and changes the catalogs of one store by compare-and-swap."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from model_store.archive import Bounds
from model_store.backends.base import Backend
from model_store.catalog import Catalog, VersionEntry
from model_store.catalog_json import decode_catalog, encode_catalog
from model_store.errors import Conflict, NotFound, StoreError
from model_store.layout import catalog_key
from model_store.pages import Pages

Transition = Callable[[Catalog], Catalog]

PATIENCE_S = 60.0
_LONGEST_PAUSE_S = 0.5


class Ledger:
    """The catalogs of one store."""

    def __init__(
        self,
        url: str,
        backend: Backend,
        *,
        patience_s: float = PATIENCE_S,
        bounds: Bounds | None = None,
    ) -> None:
        self._url = url
        self._backend = backend
        self._pages = Pages(url, backend, bounds or Bounds())
        self._patience_s = patience_s

    def read(self, model: str, known: Catalog | None = None) -> Catalog:
        """Return the catalog, `known` itself when it is still true; costs one request."""
        key = catalog_key(model)
        etag = known.etag if known is not None and known.model == model else None
        try:
            blob = self._backend.read(key, unless=etag)
        except NotFound:
            if known is not None and known.model == model and known.etag is None:
                return known
            return Catalog(model)
        if blob is None:
            assert known is not None  # noqa: S101 - "unchanged" answers only a question with ETag
            return known
        return decode_catalog(blob.data, model=model, etag=blob.etag, where=f"{self._url}/{key}")

    def whole(self, catalog: Catalog) -> Catalog:
        """Return the same catalog with every version and event in it; reads all its pages."""
        return self._pages.whole(catalog)

    def entry(self, model: str, version: int) -> VersionEntry:
        """Return the version's row; reads one page if it is archived. Raises NotFound."""
        return self.find(self.read(model), version)

    def find(self, catalog: Catalog, version: int) -> VersionEntry:
        """Return the version's row; reads one page if it is archived. Raises NotFound."""
        return self._pages.entry(catalog, version)

    def change(
        self,
        model: str,
        transition: Transition,
        *,
        whole_history: bool = False,
        seen: Catalog | None = None,
    ) -> Catalog:
        """Apply the transition to the newest catalog, again whenever somebody else was faster.

        With `whole_history` the transition sees all events, else the newest. `seen` is a catalog
        that the transition is sure to change: it is tried first, which saves reading where nobody
        changed it since. Returns the catalog that was written, or the one found where the
        transition changes nothing. Raises Conflict after too long a race.
        """
        deadline = time.monotonic() + self._patience_s
        known = seen
        attempt = 0
        while True:
            if known is None or attempt:
                known = self.read(model, known)
            wanted = self._next(known, transition, whole_history=whole_history)
            if wanted is known:
                return known
            try:
                etag = self._backend.swap(
                    catalog_key(model), encode_catalog(wanted), expected=known.etag
                )
            except Conflict as error:
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"{self._url}: the catalog of {model} changed all the time for"
                        f" {self._patience_s:g} s; try again when less is going on"
                    ) from error
                attempt += 1
                pause_s = min(_LONGEST_PAUSE_S, 0.005 * 2**attempt)
                time.sleep(random.uniform(0, pause_s))  # noqa: S311
                continue
            return replace(wanted, etag=etag)

    def contest(
        self,
        model: str,
        transition: Transition,
        refusal: Transition,
        *,
        whole_history: bool = False,
    ) -> Catalog:
        """Do as `change` does; after a Conflict, apply `refusal`, which notes who lost, and raise.

        Whether the refusal can be noted changes nothing for whoever lost.
        """
        try:
            return self.change(model, transition, whole_history=whole_history)
        except Conflict:
            with suppress(StoreError):
                self.change(model, refusal)
            raise

    def _next(self, known: Catalog, transition: Transition, *, whole_history: bool) -> Catalog:
        offered = self._pages.with_history(known) if whole_history else known
        wanted = transition(offered)
        if wanted is offered:
            return known
        if whole_history:
            # Transitions append events; those before are in their pages already.
            wanted = replace(wanted, history=wanted.history[known.archived_events :])
        return self._pages.settle(wanted)
