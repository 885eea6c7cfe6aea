"""How a catalog may change: pure functions from one catalog to the next.

Each is safe to repeat on the catalog that it produced. A compare-and-swap whose answer was lost
on the way may have happened; doing it again must then change nothing.
"""

from __future__ import annotations

from dataclasses import replace

from model_store.catalog import Catalog, Reservation, VersionEntry
from model_store.errors import Conflict


def reserve(catalog: Catalog, *, token: str, at: str, by: str) -> Catalog:
    """Hand the next number to the publisher that `token` stands for."""
    if any(reservation.token == token for reservation in catalog.reservations):
        return catalog
    reservation = Reservation(catalog.next_version, token, at, by)
    return replace(
        catalog,
        next_version=catalog.next_version + 1,
        reservations=(*catalog.reservations, reservation),
    )


def reserved_version(catalog: Catalog, token: str) -> int:
    """Return the number that `reserve` handed to `token`."""
    return next(entry.version for entry in catalog.reservations if entry.token == token)


def release(catalog: Catalog, *, token: str) -> Catalog:
    """Give a reservation up; its number is never handed out again."""
    kept = tuple(entry for entry in catalog.reservations if entry.token != token)
    return (
        catalog if len(kept) == len(catalog.reservations) else replace(catalog, reservations=kept)
    )


def commit(catalog: Catalog, entry: VersionEntry, *, token: str) -> Catalog:
    """Turn the reservation into a version; raise Conflict where `gc` has reclaimed it."""
    if catalog.get(entry.version) == entry:
        return catalog
    if all(reservation.token != token for reservation in catalog.reservations):
        raise Conflict(
            f"{catalog.model}: the number {entry.version} was reclaimed by gc while this was"
            " uploading; publish again (and let gc wait longer with --older-than)"
        )
    versions = sorted((*catalog.versions, entry), key=lambda each: each.version)
    return release(replace(catalog, versions=tuple(versions)), token=token)
