"""A model's catalog: which versions exist, what labels point at, and who moved them.

The values here never touch a backend. How the catalog may change is in `transitions.py`, how it
is written down in `catalog_json.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from model_store.errors import Corrupt, NotFound

Action = Literal["label", "unlabel", "rollback", "delete", "refused"]

_LISTED_VERSIONS = 10


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
    `label` is None and `before` is the version that went. A `refused` event is a move that lost
    to another one; `after` is where it would have gone.
    """

    at: str
    by: str
    action: Action
    label: str | None
    before: int | None
    after: int | None


class Reservation(msgspec.Struct, frozen=True):
    """A number that somebody is publishing under; it becomes a version or is reclaimed by `gc`."""

    version: int
    token: str
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is on the shelf for one model; `etag` is None where nothing was ever written.

    `doomed` are versions whose deletion was decided but whose files may still be there.
    """

    model: str
    versions: tuple[VersionEntry, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    history: tuple[Event, ...] = ()
    next_version: int = 1
    reservations: tuple[Reservation, ...] = ()
    doomed: tuple[int, ...] = ()
    etag: str | None = None

    @property
    def latest(self) -> VersionEntry | None:
        """The newest version, None where there is none."""
        return self.versions[-1] if self.versions else None

    def find(self, version: int) -> VersionEntry:
        """Return the entry; raise NotFound, listing what exists."""
        entry = self.get(version)
        if entry is None:
            raise NotFound(f"{self.model} has no version {version}; {self._what_exists()}")
        return entry

    def get(self, version: int) -> VersionEntry | None:
        """Return the entry, or None."""
        # Newest first: nearly every question is about one of the last versions.
        return next((entry for entry in reversed(self.versions) if entry.version == version), None)

    def labels_of(self, version: int) -> tuple[str, ...]:
        """Return the labels that point at the version, sorted."""
        return tuple(sorted(label for label, at in self.labels.items() if at == version))

    def _what_exists(self) -> str:
        if not self.versions:
            return "nothing is published yet"
        newest = ", ".join(str(entry.version) for entry in self.versions[-_LISTED_VERSIONS:])
        hidden = len(self.versions) - _LISTED_VERSIONS
        return f"it has {newest}" + (f" and {hidden} older ones" if hidden > 0 else "")


def check_catalog(catalog: Catalog, where: str) -> Catalog:
    """Return the catalog; raise Corrupt where its parts contradict each other."""
    numbers = [entry.version for entry in catalog.versions]
    taken = numbers + [reservation.version for reservation in catalog.reservations]
    if numbers != sorted(set(numbers)) or any(number < 1 for number in numbers):
        raise Corrupt(f"{where}: versions aren't ascending; restore the catalog from a copy")
    if taken and max(taken) >= catalog.next_version:
        raise Corrupt(f"{where}: next_version is already taken; restore the catalog from a copy")
    if len(set(taken)) != len(taken):
        raise Corrupt(f"{where}: a reserved number is published; restore the catalog from a copy")
    if not set(catalog.labels.values()) <= set(numbers):
        raise Corrupt(f"{where}: a label points at no version; restore the catalog from a copy")
    return catalog
