"""The catalog as it is written down.

Versions, events and reservations are rows (JSON arrays), one a line: a difference between two
catalogs reads line by line. Each catalog is written in the oldest format that can say it, so that
everything that ever read such catalogs reads it: format 2 has pages, format 3 says how services
share requests out and which versions were loaded or unloaded by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from model_store.catalog import (
    Action,
    Catalog,
    Event,
    EventPage,
    Reservation,
    VersionEntry,
    VersionPage,
    check_catalog,
)
from model_store.errors import Corrupt
from model_store.json_errors import JSON_ERRORS
from model_store.names import show

FORMAT = 1
PAGED_FORMAT = 2
TRAFFIC_FORMAT = 3


class _VersionRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    manifest_sha256: str
    published_at: str
    published_by: str
    size_bytes: int


class _EventRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    at: str
    by: str
    action: Action
    label: str | None
    before: int | None
    after: int | None
    weights_before: dict[int, int] = {}
    weights_after: dict[int, int] = {}


class _ReservationRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    token: str
    at: str
    by: str


class _Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    model: str
    next_version: int
    labels: dict[str, int]
    versions: list[_VersionRow]
    reservations: list[_ReservationRow]
    doomed: list[int]
    history: list[_EventRow]
    version_pages: list[VersionPage] = []
    event_pages: list[EventPage] = []
    sweeps: int = 0
    weights: dict[int, int] = {}
    loaded: list[int] = []
    unloaded: list[int] = []
    traffic_changes: int = 0


class _VersionSheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    versions: list[_VersionRow]


class _EventSheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    events: list[_EventRow]


# Of rows without weights, which older formats write the same way.
_PLAIN_EVENT_FIELDS = 6


class _Stamp(msgspec.Struct, frozen=True):
    format: int


_decode_stamp = msgspec.json.Decoder(_Stamp).decode
_decode_sheet = msgspec.json.Decoder(_Sheet).decode
_decode_versions = msgspec.json.Decoder(_VersionSheet).decode
_decode_events = msgspec.json.Decoder(_EventSheet).decode


def encode_catalog(catalog: Catalog) -> bytes:
    """Return the catalog as JSON, one row a line; the ETag isn't part of it."""
    paged = bool(catalog.version_pages or catalog.event_pages or catalog.sweeps)
    # Once is enough: the history, or a page of it, has events since that older formats don't know.
    steered = catalog.traffic_changes > 0
    head: dict[str, object] = {
        "format": TRAFFIC_FORMAT if steered else PAGED_FORMAT if paged else FORMAT,
        "model": catalog.model,
        "next_version": catalog.next_version,
        "labels": catalog.labels,
    }
    lists: dict[str, Iterable[object]] = {
        "versions": map(_row, catalog.versions),
        "reservations": map(_row, catalog.reservations),
        "doomed": catalog.doomed,
        "history": map(_event_row, catalog.history),
    }
    if steered:
        head["weights"] = catalog.weights
        head["loaded"] = catalog.loaded
        head["unloaded"] = catalog.unloaded
        head["traffic_changes"] = catalog.traffic_changes
    if paged:
        head["sweeps"] = catalog.sweeps
        lists["version_pages"] = catalog.version_pages
        lists["event_pages"] = catalog.event_pages
    return _encode(head, lists)


def encode_versions(model: str, versions: Iterable[VersionEntry]) -> bytes:
    """Return a page of versions as JSON."""
    return _encode({"model": model}, {"versions": map(_row, versions)})


def encode_events(model: str, events: Iterable[Event]) -> bytes:
    """Return a page of events as JSON."""
    return _encode({"model": model}, {"events": map(_event_row, events)})


def _row(entry: msgspec.Struct) -> list[object]:
    return list(msgspec.structs.astuple(entry))


def _event_row(event: Event) -> list[object]:
    row = _row(event)
    return row if event.weights_before or event.weights_after else row[:_PLAIN_EVENT_FIELDS]


def _encode(head: Mapping[str, object], lists: Mapping[str, Iterable[object]]) -> bytes:
    lines = [f'"{key}":'.encode() + msgspec.json.encode(value) for key, value in head.items()]
    for key, rows in lists.items():
        body = b",\n  ".join(msgspec.json.encode(row) for row in rows)
        lines.append(f'"{key}":['.encode() + (b"\n  " + body + b"\n " if body else b"") + b"]")
    return b"{" + b",\n ".join(lines) + b"}\n"


def decode_versions(data: bytes, *, model: str, where: str) -> tuple[VersionEntry, ...]:
    """Return a page's versions; raise Corrupt for anything but a page of that model."""
    with _page_edge(where):
        sheet = _decode_versions(data)
    _check_model(sheet.model, model, where)
    return tuple(VersionEntry(*msgspec.structs.astuple(row)) for row in sheet.versions)


def decode_events(data: bytes, *, model: str, where: str) -> tuple[Event, ...]:
    """Return a page's events; raise Corrupt for anything but a page of that model."""
    with _page_edge(where):
        sheet = _decode_events(data)
    _check_model(sheet.model, model, where)
    return tuple(Event(*msgspec.structs.astuple(row)) for row in sheet.events)


@contextmanager
def _page_edge(where: str) -> Iterator[None]:
    try:
        yield
    except JSON_ERRORS as error:
        raise Corrupt(f"{where} isn't a page of a catalog ({error}); restore it") from error


def _check_model(found: str, model: str, where: str) -> None:
    if found != model:
        raise Corrupt(f"{where} is of the catalog of {show(found)}, not of {show(model)}")


def decode_catalog(data: bytes, *, model: str, etag: str | None, where: str) -> Catalog:
    """Return the catalog; raise Corrupt for anything but a sound catalog of that model."""
    try:
        stamp = _decode_stamp(data)
        if not FORMAT <= stamp.format <= TRAFFIC_FORMAT:
            raise Corrupt(
                f"{where} is written in format {stamp.format} and this Hotshelf reads {FORMAT}"
                f" to {TRAFFIC_FORMAT}; install the version of Hotshelf that wrote it"
            )
        sheet = _decode_sheet(data)
    except JSON_ERRORS as error:
        raise Corrupt(f"{where} isn't a catalog ({error}); restore it from a copy") from error
    _check_model(sheet.model, model, where)
    catalog = Catalog(
        model=sheet.model,
        versions=tuple(VersionEntry(*msgspec.structs.astuple(row)) for row in sheet.versions),
        labels=sheet.labels,
        history=tuple(Event(*msgspec.structs.astuple(row)) for row in sheet.history),
        next_version=sheet.next_version,
        reservations=tuple(
            Reservation(*msgspec.structs.astuple(row)) for row in sheet.reservations
        ),
        doomed=tuple(sheet.doomed),
        version_pages=tuple(sheet.version_pages),
        event_pages=tuple(sheet.event_pages),
        sweeps=sheet.sweeps,
        weights=sheet.weights,
        loaded=tuple(sheet.loaded),
        unloaded=tuple(sheet.unloaded),
        traffic_changes=sheet.traffic_changes,
        etag=etag,
    )
    return check_catalog(catalog, where)
