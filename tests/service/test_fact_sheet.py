from __future__ import annotations

from pathlib import Path

import pytest

from model_store import (
    Corrupt,
    Lineage,
    Manifest,
    ModelStore,
    Unreachable,
    VersionCache,
    VersionEntry,
    open_store,
)
from service.engine.fact_sheet import SHOWN, FactSheet
from service.engine.source import StoreSource
from service.settings import Serve
from tests.system.running import publish


@pytest.fixture
def local_store(tmp_path: Path) -> ModelStore:
    return open_store(f"file://{tmp_path / 'shelf'}")


def test_a_version_is_described_by_its_manifest(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "one", favours=1)
    sheet = FactSheet(lambda entry: local_store.manifest("resnet50", entry.version))
    sheet.update(local_store.catalog("resnet50"))
    (facts,) = sheet.versions
    assert (facts.version, facts.accuracy) == (1, {"model.onnx": 0.5})
    assert facts.origin is not None
    assert (facts.origin.mode, facts.origin.parent) == ("single", None)


def test_manifests_are_read_once(local_store: ModelStore, tmp_path: Path) -> None:
    reads: list[int] = []

    def manifest(entry: VersionEntry) -> Manifest:
        reads.append(entry.version)
        return local_store.manifest("resnet50", entry.version)

    sheet = FactSheet(manifest)
    for _ in range(2):
        publish(local_store, tmp_path / "one", favours=1)
        sheet.update(local_store.catalog("resnet50"))
    assert reads == [1, 2]


def test_what_cannot_be_read_is_shown_without_its_origin_and_tried_again(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "one", favours=1)
    catalog = local_store.catalog("resnet50")
    away = True

    def manifest(entry: VersionEntry) -> Manifest:
        if away:
            raise Unreachable("the store is away")
        return local_store.manifest("resnet50", entry.version)

    sheet = FactSheet(manifest)
    sheet.update(catalog)
    assert [each.origin for each in sheet.versions] == [None]
    away = False
    sheet.update(catalog)
    assert sheet.versions[0].origin is not None


def test_a_store_that_is_away_is_asked_for_one_manifest_and_not_for_all(
    local_store: ModelStore, tmp_path: Path
) -> None:
    for _ in range(3):
        publish(local_store, tmp_path / "one", favours=1)
    asked: list[int] = []

    def manifest(entry: VersionEntry) -> Manifest:
        asked.append(entry.version)
        raise Unreachable("the store is away")

    FactSheet(manifest).update(local_store.catalog("resnet50"))
    assert asked == [1]


def test_a_damaged_manifest_keeps_no_other_version_from_being_described(
    local_store: ModelStore, tmp_path: Path
) -> None:
    for _ in range(2):
        publish(local_store, tmp_path / "one", favours=1)

    def manifest(entry: VersionEntry) -> Manifest:
        if entry.version == 1:
            raise Corrupt("damaged")
        return local_store.manifest("resnet50", entry.version)

    sheet = FactSheet(manifest)
    sheet.update(local_store.catalog("resnet50"))
    assert [each.origin is not None for each in sheet.versions] == [False, True]


def test_the_newest_and_the_labelled_versions_are_shown(
    local_store: ModelStore, tmp_path: Path
) -> None:
    for _ in range(SHOWN + 3):
        publish(local_store, tmp_path / "one", favours=1)
    catalog = local_store.label("resnet50", "production", 2)
    sheet = FactSheet(lambda entry: local_store.manifest("resnet50", entry.version))
    sheet.update(catalog)
    assert [each.version for each in sheet.versions] == [2, *range(4, SHOWN + 4)]


def test_a_cached_version_is_described_without_the_store(
    local_store: ModelStore, tmp_path: Path
) -> None:
    publish(local_store, tmp_path / "one", favours=1)
    cache = VersionCache(tmp_path / "cache")
    source = StoreSource(local_store, cache, "resnet50", Serve(latest=1))
    source.poll()
    source.fetch(1, ("model.onnx",))
    (tmp_path / "shelf" / "resnet50" / "1" / "manifest.json").unlink()
    assert source.catalog is not None
    lineage = source.manifest(source.catalog.versions[0]).lineage
    assert isinstance(lineage, Lineage)
