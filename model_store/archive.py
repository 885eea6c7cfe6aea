"""Which rows of a catalog belong into pages and which into the catalog itself: decided purely.

The catalog keeps its newest rows, because nearly every question is about them, and the labelled
ones, because services follow labels. Everything else is archived a page at a time, so that a
catalog of ten thousand versions stays near a hundred kilobytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from model_store.catalog import Catalog, Event, EventPage, VersionEntry, VersionPage
from model_store.runs import runs_of, without


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many rows stay and how many make a page; `kept_versions` > `newest_versions`.

    The newest hundred versions are always in the catalog: services may be told to serve as many.
    """

    newest_versions: int = 100
    kept_versions: int = 250
    versions_a_page: int = 250
    kept_events: int = 50
    events_a_page: int = 150


def labelled_in_pages(catalog: Catalog) -> frozenset[int]:
    """Return the labelled versions whose rows aren't in the catalog."""
    here = {entry.version for entry in catalog.versions}
    return frozenset(catalog.labels.values()) - here


def page_to_reopen(catalog: Catalog, bounds: Bounds) -> VersionPage | None:
    """Return the page whose rows are wanted back because so many newer versions were deleted."""
    live = [page for page in catalog.version_pages if page.runs]
    if not live:
        return None
    newest = max(live, key=lambda page: page.runs[-1][1])
    boundary = newest.runs[-1][1]
    newer = sum(entry.version > boundary for entry in catalog.versions)
    return newest if newer < bounds.newest_versions else None


def admit(catalog: Catalog, entries: Iterable[VersionEntry]) -> Catalog:
    """Move rows from their pages into the catalog.

    A page that is left without rows stays named, so that `gc` keeps it for whoever restores an
    older copy of the catalog.
    """
    admitted = {entry.version: entry for entry in entries}
    gone = frozenset(admitted)
    rows = {entry.version: entry for entry in catalog.versions} | admitted
    pages = (
        msgspec.structs.replace(page, runs=without(page.runs, gone))
        for page in catalog.version_pages
    )
    return replace(
        catalog,
        versions=tuple(rows[number] for number in sorted(rows)),
        version_pages=tuple(pages),
    )


def excess_versions(catalog: Catalog, bounds: Bounds) -> tuple[VersionEntry, ...]:
    """Return the oldest versions where they fill a page, () where they don't."""
    labelled = set(catalog.labels.values())
    older = [
        entry
        for entry in catalog.versions[: -bounds.kept_versions]
        if entry.version not in labelled
    ]
    return tuple(older[: bounds.versions_a_page]) if len(older) >= bounds.versions_a_page else ()


def archive_versions(
    catalog: Catalog, entries: tuple[VersionEntry, ...], *, name: str, sha256: str
) -> Catalog:
    """Replace the rows by the page that was written of them."""
    gone = {entry.version for entry in entries}
    return replace(
        catalog,
        versions=tuple(entry for entry in catalog.versions if entry.version not in gone),
        version_pages=(*catalog.version_pages, VersionPage(name, sha256, runs_of(gone))),
    )


def excess_events(catalog: Catalog, bounds: Bounds) -> tuple[Event, ...]:
    """Return the oldest events where they fill a page, () where they don't."""
    full = len(catalog.history) >= bounds.kept_events + bounds.events_a_page
    return catalog.history[: bounds.events_a_page] if full else ()


def archive_events(catalog: Catalog, count: int, *, name: str, sha256: str) -> Catalog:
    """Replace the first `count` events by the page that was written of them."""
    return replace(
        catalog,
        history=catalog.history[count:],
        event_pages=(*catalog.event_pages, EventPage(name, sha256, count)),
    )
