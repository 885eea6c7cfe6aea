"""What people want to know of a version: when it came, from where, and how good it is."""

from __future__ import annotations

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """Where a version's weights come from; `parent` is the version that training began with."""

    mode: str
    processes: int
    epochs: int | None
    data_digest: str
    code_version: str
    parent: int | None
    finished_at: str
    host: str


class VersionFacts(msgspec.Struct, frozen=True):
    """One version of the catalog; times are RFC 3339 in UTC.

    `accuracy` has the measured top-1 of each variant's file. It is empty and `origin` is None while
    the manifest couldn't be read.
    """

    version: int
    published_at: str
    published_by: str
    size_bytes: int
    accuracy: dict[str, float] = {}
    origin: Origin | None = None
