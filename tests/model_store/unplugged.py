"""A store whose network is away."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from model_store import Catalog, Unreachable, VersionEntry


class Unplugged:
    """Knows its URL and no more."""

    def __init__(self, url: str) -> None:
        self.url = url

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        raise Unreachable(f"{self.url} is away")

    def entry(self, model: str, version: int) -> VersionEntry:
        raise Unreachable(f"{self.url} is away")

    def pull(
        self, model: str, version: int, destination: Path, *, files: Collection[str] | None = None
    ) -> Path:
        raise Unreachable(f"{self.url} is away")
