"""How a catalog may change: pure functions from one catalog to the next.

Each is safe to repeat on the catalog that it produced. A compare-and-swap whose answer was lost
on the way may have happened; doing it again must then change nothing.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from model_store.catalog import Catalog, Event, Reservation, VersionEntry, VersionPage
from model_store.errors import Conflict, NotFound
from model_store.runs import holds, without


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
    if catalog.get(entry.version) == entry or catalog.page_of(entry.version):
        return catalog
    if all(reservation.token != token for reservation in catalog.reservations):
        raise Conflict(
            f"{catalog.model}: the number {entry.version} was reclaimed by gc while this was"
            " uploading; publish again (and let gc wait longer with --older-than)"
        )
    versions = sorted((*catalog.versions, entry), key=lambda each: each.version)
    return release(replace(catalog, versions=tuple(versions)), token=token)


def move_label(
    catalog: Catalog, label: str, version: int | None, *, seen: int | None, at: str, by: str
) -> Catalog:
    """Point the label at the version, None for nothing, if it still points where it was `seen`.

    Raises NotFound where there is no such version or label, Conflict where somebody moved it.
    """
    event = Event(at, by, "label" if version is not None else "unlabel", label, seen, version)
    if event in catalog.history:
        return catalog
    if version is not None:
        catalog.check_exists(version)
    current = catalog.labels.get(label)
    if current is None and seen is None and version is None:
        raise _no_label(catalog, label)
    if current == version:
        return catalog
    if current != seen:
        raise Conflict(_who_moved(catalog, label, seen))
    return _moved(catalog, event)


def roll_back(catalog: Catalog, label: str, *, seen: int | None, at: str, by: str) -> Catalog:
    """Undo the label's last move that isn't undone yet; repeated, go back move by move.

    Raises NotFound where there never was such a label, Conflict where there is nothing to go back
    to or somebody moved it. Wants the whole history.
    """
    if any((event.at, event.by, event.label) == (at, by, label) for event in catalog.history):
        return catalog
    current = catalog.labels.get(label)
    if current != seen:
        raise Conflict(_who_moved(catalog, label, seen))
    trail = _trail(catalog, label)
    if current is None and len(trail) == 1:
        raise _no_label(catalog, label)
    target = trail[-2] if len(trail) > 1 else None
    if target is None:
        raise Conflict(
            f"{catalog.model}: before its last move {label} pointed at nothing; unlabel it, if that"
            " is meant"
        )
    if not catalog.exists(target):
        raise Conflict(
            f"{catalog.model}: {label} pointed at version {target}, which was deleted; label"
            " another version"
        )
    return _moved(catalog, Event(at, by, "rollback", label, current, target))


def note_refusal(
    catalog: Catalog, label: str, version: int | None, *, seen: int | None, at: str, by: str
) -> Catalog:
    """Record a move that lost to another one; a label that is where it was `seen` has lost none.

    `version` is where it would have gone, None for nothing and for a rollback.
    """
    event = Event(at, by, "refused", label, seen, version)
    if event in catalog.history or catalog.labels.get(label) == seen:
        return catalog
    return replace(catalog, history=(*catalog.history, event))


def doom(catalog: Catalog, version: int, *, at: str, by: str) -> Catalog:
    """Take the version out of the catalog; raise Conflict while a label or weight names it."""
    if version in catalog.doomed:
        return catalog
    catalog.check_exists(version)
    check_unused(catalog, version)
    marked = version in catalog.loaded or version in catalog.unloaded
    return replace(
        catalog,
        loaded=without_version(catalog.loaded, version),
        unloaded=without_version(catalog.unloaded, version),
        traffic_changes=catalog.traffic_changes + marked,
        versions=tuple(kept for kept in catalog.versions if kept.version != version),
        version_pages=_pages_without(catalog.version_pages, version),
        doomed=(*catalog.doomed, version),
        history=(*catalog.history, Event(at, by, "delete", None, version, None)),
    )


def bury(catalog: Catalog, versions: frozenset[int]) -> Catalog:
    """Forget doomed versions whose files are gone."""
    left = tuple(version for version in catalog.doomed if version not in versions)
    return catalog if left == catalog.doomed else replace(catalog, doomed=left)


def reclaim(catalog: Catalog, tokens: frozenset[str]) -> Catalog:
    """Take reservations back from publishers that are taken for dead."""
    kept = tuple(entry for entry in catalog.reservations if entry.token not in tokens)
    if len(kept) == len(catalog.reservations):
        return catalog
    return replace(catalog, reservations=kept)


def sweep(catalog: Catalog) -> Catalog:
    """Make every change fail that was prepared on this catalog and may name a page it wrote."""
    return replace(catalog, sweeps=catalog.sweeps + 1)


def without_version(versions: tuple[int, ...], version: int) -> tuple[int, ...]:
    """Return the versions but this one."""
    return tuple(each for each in versions if each != version)


def check_unused(catalog: Catalog, version: int) -> None:
    """Raise Conflict while a label points at the version or it has a share of the requests."""
    labels = ", ".join(catalog.labels_of(version))
    if labels:
        raise Conflict(
            f"{catalog.model} {version} is labelled {labels}; move or remove the label first"
        )
    if version in catalog.weights:
        raise Conflict(
            f"{catalog.model} {version} has a share of the requests ({catalog.shares});"
            " set other weights first"
        )


def _no_label(catalog: Catalog, label: str) -> NotFound:
    has = ", ".join(sorted(catalog.labels)) or "no label at all"
    return NotFound(f"{catalog.model} has no label {label}; it has {has}")


def _pages_without(pages: tuple[VersionPage, ...], version: int) -> tuple[VersionPage, ...]:
    gone = frozenset({version})
    return tuple(
        page
        if not holds(page.runs, version)
        else msgspec.structs.replace(page, runs=without(page.runs, gone))
        for page in pages
        if page.runs != ((version, version),)
    )


def _moved(catalog: Catalog, event: Event) -> Catalog:
    labels = {label: at for label, at in catalog.labels.items() if label != event.label}
    if event.after is not None and event.label is not None:
        labels[event.label] = event.after
    return replace(catalog, labels=dict(sorted(labels.items())), history=(*catalog.history, event))


def _trail(catalog: Catalog, label: str) -> list[int | None]:
    """Return where the label pointed, oldest first, without what was undone."""
    trail: list[int | None] = [None]
    for event in catalog.history:
        if event.label != label:
            continue
        if event.action in {"label", "unlabel"}:
            trail.append(event.after)
        elif event.action == "rollback" and len(trail) > 1:
            trail.pop()
    return trail


def _who_moved(catalog: Catalog, label: str, seen: int | None) -> str:
    current = catalog.labels.get(label)
    now_at = f"version {current}" if current is not None else "nothing"
    then_at = f"version {seen}" if seen is not None else "nothing"
    for event in reversed(catalog.history):
        if event.label == label and event.action != "refused":
            told = f"{event.by} moved it at {event.at} ({event.action})"
            break
    else:
        told = "its recent history doesn't say who moved it"
    return (
        f"{catalog.model}: {label} pointed at {then_at} when you looked and points at {now_at} now:"
        f" {told}; look again before you decide"
    )
