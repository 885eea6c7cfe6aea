"""A model's catalog: which versions exist, what labels point at, and who moved them.

A long catalog keeps its newest rows and the labelled ones; older rows lie in pages that are never
changed, and the catalog knows the numbers that each page holds.

The values here never touch a backend. How the catalog may change is in `transitions.py`, how it
is written down in `catalog_json.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from model_store.errors import Corrupt, NotFound
from model_store.identity import parse_rfc3339
from model_store.names import show
from model_store.runs import Runs, holds, numbers_of

Action = Literal["label", "unlabel", "rollback", "delete", "refused", "weights", "load", "unload"]

_LISTED_VERSIONS = 10
# No number that a catalog can hold has more; Python itself refuses to read thousands.
_MOST_DIGITS = 20


class VersionEntry(msgspec.Struct, frozen=True):
    """One committed version; `published_at` is RFC 3339 in UTC."""

    version: int
    manifest_sha256: str
    published_at: str
    published_by: str
    size_bytes: int


class Event(msgspec.Struct, frozen=True):
    """Something somebody did, or was refused, to a label or a version.

    `before` and `after` are versions: None where the label pointed at nothing. For a deletion
    `label` is None and `before` is the version that went. A `refused` event is a move, or weights,
    that lost to others; `before` is what was seen, `after` where it would have gone, None for a
    rollback. A `load` has the version in `after`, an `unload` in `before`; `weights` have the
    shares of requests before and after.
    """

    at: str
    by: str
    action: Action
    label: str | None
    before: int | None
    after: int | None
    weights_before: dict[int, int] = {}
    weights_after: dict[int, int] = {}


class Reservation(msgspec.Struct, frozen=True):
    """A number that somebody is publishing under; it becomes a version or is reclaimed by `gc`."""

    version: int
    token: str
    at: str
    by: str


class VersionPage(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Older versions, written once under `name`; `runs` are those of them that only it holds.

    A version that was deleted, or whose row is in the catalog again, isn't in `runs`.
    """

    name: str
    sha256: str
    runs: Runs


class EventPage(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Older events, `count` of them, written once under `name`."""

    name: str
    sha256: str
    count: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is on the shelf for one model; `etag` is None where nothing was ever written.

    `versions` are, ascending, the rows of the newest ones (a hundred at least, where there are so
    many) and of the labelled ones; `version_pages` hold all others. `history` is the newest
    events, `event_pages` hold those before. `doomed` are versions whose deletion was decided but
    whose files may still be there. `sweeps` counts how often `gc` removed pages.

    `weights` share out requests that name no version, relative to their sum; empty where all go to
    one. `loaded` and `unloaded` are versions, ascending, that services are to have loaded, or not,
    whatever else they'd choose. `traffic_changes` counts how often any of the three was changed.
    """

    model: str
    versions: tuple[VersionEntry, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    history: tuple[Event, ...] = ()
    next_version: int = 1
    reservations: tuple[Reservation, ...] = ()
    doomed: tuple[int, ...] = ()
    version_pages: tuple[VersionPage, ...] = ()
    event_pages: tuple[EventPage, ...] = ()
    sweeps: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    loaded: tuple[int, ...] = ()
    unloaded: tuple[int, ...] = ()
    traffic_changes: int = 0
    etag: str | None = None

    @property
    def latest(self) -> VersionEntry | None:
        """The newest version, None where there is none."""
        return self.versions[-1] if self.versions else None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every version's number, ascending, archived ones included."""
        archived = (number for page in self.version_pages for number in numbers_of(page.runs))
        return tuple(sorted([*archived, *(entry.version for entry in self.versions)]))

    @property
    def event_count(self) -> int:
        """How many events there ever were."""
        return self.archived_events + len(self.history)

    @property
    def archived_events(self) -> int:
        """How many events lie in pages."""
        return sum(page.count for page in self.event_pages)

    @property
    def shares(self) -> str:
        """The weights as people write them."""
        return shares(self.weights)

    def exists(self, version: int) -> bool:
        """Tell whether there is such a version, archived or not."""
        return self.get(version) is not None or self.page_of(version) is not None

    def check_exists(self, version: int) -> int:
        """Return the version; raise NotFound, listing what exists, if there is none."""
        if not self.exists(version):
            raise NotFound(f"{self.model} has no version {version}; {self._what_exists()}")
        return version

    def resolve(self, text: str) -> int:
        """Return the version that a number, a label or `latest` means; raise NotFound."""
        if text.isascii() and text.isdigit():
            if len(text) > _MOST_DIGITS:
                raise NotFound(f"{self.model} has no version {show(text)}; {self._what_exists()}")
            return self.check_exists(int(text))
        if text in self.labels:
            return self.labels[text]
        if text == "latest":
            if self.latest is None:
                raise NotFound(f"{self.model}: nothing is published yet")
            return self.latest.version
        has = ", ".join(sorted(self.labels)) or "none"
        raise NotFound(f"{self.model}: {show(text)} is no version and no label; labels: {has}")

    def find(self, version: int) -> VersionEntry:
        """Return the row; raise NotFound, listing what exists.

        An archived version's row isn't here but in a page: `ModelStore.entry` reads it.
        """
        entry = self.get(version)
        if entry is None:
            self.check_exists(version)
            raise NotFound(f"{self.model} {version} is archived; ask the store for its entry")
        return entry

    def get(self, version: int) -> VersionEntry | None:
        """Return the row, or None; as with `find`, an archived version's isn't here."""
        # Newest first: nearly every question is about one of the last versions.
        return next((entry for entry in reversed(self.versions) if entry.version == version), None)

    def page_of(self, version: int) -> VersionPage | None:
        """Return the page that holds the archived version, None where none does."""
        return next((page for page in self.version_pages if holds(page.runs, version)), None)

    def labels_of(self, version: int) -> tuple[str, ...]:
        """Return the labels that point at the version, sorted."""
        return tuple(sorted(label for label, at in self.labels.items() if at == version))

    def _what_exists(self) -> str:
        numbers = self.numbers
        if not numbers:
            return "nothing is published yet"
        newest = ", ".join(map(str, numbers[-_LISTED_VERSIONS:]))
        hidden = len(numbers) - _LISTED_VERSIONS
        return f"it has {newest}" + (f" and {hidden} older ones" if hidden > 0 else "")


def shares(weights: Mapping[int, int]) -> str:
    """Return weights as people write them: `6=90 7=10`, or `none`."""
    return " ".join(f"{version}={weight}" for version, weight in weights.items()) or "none"


def check_catalog(catalog: Catalog, where: str) -> Catalog:
    """Return the catalog; raise Corrupt where its parts contradict each other."""
    rows = [entry.version for entry in catalog.versions]
    numbers = catalog.numbers
    taken = [*numbers, *(reservation.version for reservation in catalog.reservations)]
    if rows != sorted(rows) or len(set(numbers)) != len(numbers) or min(numbers, default=1) < 1:
        raise Corrupt(f"{where}: versions aren't ascending; restore the catalog from a copy")
    if taken and max(taken) >= catalog.next_version:
        raise Corrupt(f"{where}: next_version is already taken; restore the catalog from a copy")
    if len(set(taken)) != len(taken):
        raise Corrupt(f"{where}: a reserved number is published; restore the catalog from a copy")
    if not set(catalog.labels.values()) <= set(rows):
        raise Corrupt(f"{where}: a label points at no version; restore the catalog from a copy")
    _check_traffic(catalog, where)
    _check_reservations(catalog, where)
    return catalog


def _check_reservations(catalog: Catalog, where: str) -> None:
    # `gc` reckons with their dates. Nothing does with those of versions and events, of which there
    # are hundreds.
    for each in catalog.reservations:
        try:
            parse_rfc3339(each.at)
        except (ValueError, OverflowError) as error:
            raise Corrupt(
                f"{where}: {each.version} was reserved at {show(each.at)}, which is no date;"
                " restore the catalog from a copy"
            ) from error


def _check_traffic(catalog: Catalog, where: str) -> None:
    named = {*catalog.weights, *catalog.loaded, *catalog.unloaded}
    if not all(map(catalog.exists, named)) or set(catalog.loaded) & set(catalog.unloaded):
        raise Corrupt(
            f"{where}: versions to be loaded don't exist, or are to be unloaded too; restore the"
            " catalog from a copy"
        )
    if min(catalog.weights.values(), default=1) < 1:
        raise Corrupt(f"{where}: a weight isn't positive; restore the catalog from a copy")
