"""The catalog as it is written down.

Versions, events and reservations are rows (JSON arrays), one a line: ten thousand versions stay
near one megabyte, and a difference between two catalogs reads line by line.
"""

from __future__ import annotations

import msgspec

from model_store.catalog import Action, Catalog, Event, Reservation, VersionEntry, check_catalog
from model_store.errors import Corrupt
from model_store.names import show

FORMAT = 1


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


class _Stamp(msgspec.Struct, frozen=True):
    format: int


_decode_stamp = msgspec.json.Decoder(_Stamp).decode
_decode_sheet = msgspec.json.Decoder(_Sheet).decode


def encode_catalog(catalog: Catalog) -> bytes:
    """Return the catalog as JSON, one row a line; the ETag isn't part of it."""
    head = {
        "format": FORMAT,
        "model": catalog.model,
        "next_version": catalog.next_version,
        "labels": catalog.labels,
    }
    lists: dict[str, list[object]] = {
        "versions": [list(msgspec.structs.astuple(entry)) for entry in catalog.versions],
        "reservations": [list(msgspec.structs.astuple(entry)) for entry in catalog.reservations],
        "doomed": list(catalog.doomed),
        "history": [list(msgspec.structs.astuple(entry)) for entry in catalog.history],
    }
    lines = [f'"{key}":'.encode() + msgspec.json.encode(value) for key, value in head.items()]
    for key, rows in lists.items():
        body = b",\n  ".join(msgspec.json.encode(row) for row in rows)
        lines.append(f'"{key}":['.encode() + (b"\n  " + body + b"\n " if body else b"") + b"]")
    return b"{" + b",\n ".join(lines) + b"}\n"


def decode_catalog(data: bytes, *, model: str, etag: str | None, where: str) -> Catalog:
    """Return the catalog; raise Corrupt for anything but a sound catalog of that model."""
    try:
        stamp = _decode_stamp(data)
        if stamp.format != FORMAT:
            raise Corrupt(
                f"{where} is written in format {stamp.format} and this Hotshelf reads {FORMAT};"
                " install the version of Hotshelf that wrote it"
            )
        sheet = _decode_sheet(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{where} isn't a catalog ({error}); restore it from a copy") from error
    if sheet.model != model:
        raise Corrupt(f"{where} is the catalog of {show(sheet.model)}, not of {show(model)}")
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
        etag=etag,
    )
    return check_catalog(catalog, where)
