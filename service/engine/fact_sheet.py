"""Keeps what the shelf says about its versions at hand, so that nobody has to wait for a store."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from model_store import Catalog, Lineage, Manifest, StoreError, Unreachable, VersionEntry
from service.facts import Origin, VersionFacts

log = logging.getLogger(__name__)

# Besides the labelled ones, so many versions are described: the newest.
SHOWN = 20
TOP1 = "top1"


class FactSheet:
    """Facts of a catalog's newest and labelled versions.

    `update` is called by one thread and may wait for the store, `versions` by any thread at any
    time. Manifests never change, so each is read once.
    """

    def __init__(self, manifest: Callable[[VersionEntry], Manifest]) -> None:
        self._manifest = manifest
        self._known: dict[str, Manifest] = {}
        self._versions: tuple[VersionFacts, ...] = ()

    @property
    def versions(self) -> tuple[VersionFacts, ...]:
        """The facts, ascending by version."""
        return self._versions

    def update(self, catalog: Catalog | None) -> None:
        """Describe what the catalog shows now; a manifest that can't be read is tried next time."""
        shown = [] if catalog is None else _shown(catalog)
        wanted = {each.manifest_sha256 for each in shown}
        self._known = {key: known for key, known in self._known.items() if key in wanted}
        # The source logs that the store is away; the facts are there once it is back.
        with contextlib.suppress(Unreachable):
            for each in shown:
                self._learn(each)
        self._versions = tuple(
            _facts(each, self._known.get(each.manifest_sha256)) for each in shown
        )

    def _learn(self, entry: VersionEntry) -> None:
        if entry.manifest_sha256 in self._known:
            return
        try:
            self._known[entry.manifest_sha256] = self._manifest(entry)
        except Unreachable:
            # Each of the others would wait as long for nothing.
            raise
        except StoreError as error:
            log.warning("version %d can't be described: %s", entry.version, error)


def _shown(catalog: Catalog) -> list[VersionEntry]:
    newest = {each.version for each in catalog.versions[-SHOWN:]}
    chosen = newest | set(catalog.labels.values())
    return [each for each in catalog.versions if each.version in chosen]


def _facts(entry: VersionEntry, manifest: Manifest | None) -> VersionFacts:
    return VersionFacts(
        version=entry.version,
        published_at=entry.published_at,
        published_by=entry.published_by,
        size_bytes=entry.size_bytes,
        accuracy={} if manifest is None else _accuracy(manifest),
        origin=None if manifest is None else _origin(manifest.lineage),
    )


def _accuracy(manifest: Manifest) -> dict[str, float]:
    return {file: values[TOP1] for file, values in manifest.metrics.items() if TOP1 in values}


def _origin(lineage: Lineage) -> Origin:
    epochs = lineage.hyperparameters.get("epochs")
    return Origin(
        mode=lineage.mode,
        processes=lineage.world_size,
        epochs=epochs if isinstance(epochs, int) else None,
        data_digest=lineage.data_digest,
        code_version=lineage.code_version,
        parent=lineage.parent_version,
        finished_at=lineage.finished_at,
        host=lineage.host,
    )
