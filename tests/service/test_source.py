from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from model_store import Catalog, ModelStore, NoSpace, VersionCache, open_store
from service.engine.batch_size import Measured
from service.engine.device import Device, Hardware
from service.engine.loading import LoadingPlan, VersionLoader
from service.engine.session import BadModel
from service.engine.source import StoreSource
from service.engine.wanted import Wanted
from service.settings import Serve
from tests.system.running import publish

NEWEST = Serve(latest=1)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return open_store(f"file://{tmp_path / 'shelf'}")


@pytest.fixture
def cache(tmp_path: Path) -> VersionCache:
    return VersionCache(tmp_path / "cache")


def source(store: ModelStore, cache: VersionCache, serve: Serve = NEWEST) -> StoreSource:
    return StoreSource(store, cache, "resnet50", serve)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_catalog_that_vanished_is_trouble_with_the_store_not_an_empty_store(
    store: ModelStore, cache: VersionCache, tmp_path: Path, restarted: bool
) -> None:
    publish(store, tmp_path / "1", favours=1)
    following = source(store, cache)
    assert following.poll().versions == {1}
    away = (tmp_path / "shelf").rename(tmp_path / "away")
    if restarted:
        following = source(store, cache)
    assert following.poll().versions == {1}
    assert "has no catalog of 'resnet50' any more" in following.problem
    away.rename(tmp_path / "shelf")
    assert following.poll().versions == {1}
    assert following.problem == ""


def test_a_store_that_never_had_a_version_is_just_empty(
    store: ModelStore, cache: VersionCache
) -> None:
    following = source(store, cache)
    assert following.poll() == Wanted(existing=frozenset())
    assert following.problem == ""
    assert "holds no version" in following.waiting_for()


class FullCache(VersionCache):
    """A cache on a disk without space."""

    def remember(self, url: str, catalog: Catalog) -> None:
        raise NoSpace("no space is left")


def test_a_catalog_that_cannot_be_kept_is_followed_all_the_same(
    store: ModelStore, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1)
    following = source(store, FullCache(tmp_path / "cache"))
    assert following.poll().versions == {1}
    assert following.problem == ""


def cached(tmp_path: Path) -> list[str]:
    return [each.name for each in tmp_path.glob("cache/*/resnet50/[0-9]*-*")]


def loader(store: ModelStore, cache: VersionCache) -> VersionLoader:
    plan = LoadingPlan(Hardware(Device.CPU), lanes=2, threads=1, max_batch=2, most_loss=1.0)
    return VersionLoader(source(store, cache), plan)


def make_room(store: ModelStore, tmp_path: Path) -> None:
    """Fetch version 2 through a cache that has room for nothing else."""
    limited = VersionCache(tmp_path / "cache", limit_bytes=1)
    limited.release(limited.fetch(store, "resnet50", 2))


def test_a_served_version_stays_in_the_cache_until_it_is_closed(
    store: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1)
    publish(store, tmp_path / "2", favours=2)
    session = loader(store, cache).load(1)
    make_room(store, tmp_path)
    assert len(cached(tmp_path)) == 2
    session.close()
    make_room(store, tmp_path)
    assert [name.split("-")[0] for name in cached(tmp_path)] == ["2"]


def test_a_version_that_cannot_be_served_is_not_held(
    store: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1, truncated=True)
    publish(store, tmp_path / "2", favours=2)
    with pytest.raises(BadModel):
        loader(store, cache).load(1)
    make_room(store, tmp_path)
    assert [name.split("-")[0] for name in cached(tmp_path)] == ["2"]


@pytest.mark.parametrize("images", [1, 2])
def test_a_version_gets_the_batches_that_were_found_to_be_worth_it(
    store: ModelStore, cache: VersionCache, tmp_path: Path, images: int
) -> None:
    publish(store, tmp_path / "1", favours=1)
    loader(store, cache).load(1).close()
    (note,) = tmp_path.glob("cache/*/resnet50/1-*/.model.onnx.batch.json")
    found = msgspec.json.decode(note.read_bytes(), type=Measured)
    note.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, images=images)))
    session = loader(store, cache).load(1)
    assert session.batch_images == images
    session.close()


def test_what_a_version_takes_is_estimated_from_its_file(
    store: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1)
    file_bytes = store.manifest("resnet50", 1).find("model.onnx").size
    assert file_bytes < loader(store, cache).estimate_bytes(1) < 2 * file_bytes
