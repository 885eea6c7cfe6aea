from __future__ import annotations

from pathlib import Path

import pytest

from model_store import Catalog, ModelStore, NoSpace, VersionCache, open_store
from model_store.catalog import VersionPage
from service.engine.loading import load_version
from service.engine.session import BadModel
from service.engine.source import StoreSource, aspired_versions
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


@pytest.mark.parametrize(
    ("serve", "wanted"),
    [
        (Serve(latest=1), {3}),
        (Serve(latest=2), {2, 3}),
        (Serve(latest=9), {1, 2, 3}),
        (Serve(label="production"), {1}),
        (Serve(label="unheard-of"), set()),
        (Serve(versions=(1, 3, 7)), {1, 3}),
    ],
    ids=str,
)
def test_serve_picks_versions_of_the_catalog(
    store: ModelStore, tmp_path: Path, serve: Serve, wanted: set[int]
) -> None:
    for number in (1, 2, 3):
        publish(store, tmp_path / str(number), favours=number)
    store.label("resnet50", "production", 1)
    assert aspired_versions(store.catalog("resnet50"), serve) == wanted


def test_a_version_that_is_archived_is_served_when_told_to() -> None:
    archived = Catalog("resnet50", version_pages=(VersionPage("_versions-251-0a", "", ((1, 99),)),))
    assert aspired_versions(archived, Serve(versions=(50, 200))) == {50}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_catalog_that_vanished_is_trouble_with_the_store_not_an_empty_store(
    store: ModelStore, cache: VersionCache, tmp_path: Path, restarted: bool
) -> None:
    publish(store, tmp_path / "1", favours=1)
    following = source(store, cache)
    assert following.poll() == {1}
    away = (tmp_path / "shelf").rename(tmp_path / "away")
    if restarted:
        following = source(store, cache)
    assert following.poll() == {1}
    assert "has no catalog of 'resnet50' any more" in following.problem
    away.rename(tmp_path / "shelf")
    assert following.poll() == {1}
    assert following.problem == ""


def test_a_store_that_never_had_a_version_is_just_empty(
    store: ModelStore, cache: VersionCache
) -> None:
    following = source(store, cache)
    assert following.poll() == set()
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
    assert following.poll() == {1}
    assert following.problem == ""


def cached(tmp_path: Path) -> list[str]:
    return [each.name for each in tmp_path.glob("cache/*/resnet50/[0-9]*-*")]


def make_room(store: ModelStore, tmp_path: Path) -> None:
    """Fetch version 2 through a cache that has room for nothing else."""
    limited = VersionCache(tmp_path / "cache", limit_bytes=1)
    limited.release(limited.fetch(store, "resnet50", 2))


def test_a_served_version_stays_in_the_cache_until_it_is_closed(
    store: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1)
    publish(store, tmp_path / "2", favours=2)
    session = load_version(source(store, cache), 1, threads=1, max_batch=2)
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
        load_version(source(store, cache), 1, threads=1, max_batch=2)
    make_room(store, tmp_path)
    assert [name.split("-")[0] for name in cached(tmp_path)] == ["2"]
