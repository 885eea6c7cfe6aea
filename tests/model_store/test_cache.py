from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import pytest

from model_store import Catalog, ModelStore, NotFound, Unreachable, VersionCache
from tests.model_store.material import MODEL, contents, make_folder, publish
from tests.model_store.unplugged import Unplugged


@pytest.fixture
def cache(tmp_path: Path) -> VersionCache:
    return VersionCache(tmp_path / "cache")


def test_a_fetched_version_is_the_published_one(
    store: ModelStore, folder: Path, cache: VersionCache
) -> None:
    publish(store, folder)
    fetched = cache.fetch(store, MODEL, 1)
    assert contents(fetched).items() >= contents(folder).items()


def test_a_cached_version_needs_no_store(
    local_store: ModelStore, folder: Path, cache: VersionCache, tmp_path: Path
) -> None:
    publish(local_store, folder)
    fetched = cache.fetch(local_store, MODEL, 1, files=["model.onnx"])
    restarted = VersionCache(tmp_path / "cache")
    away = Unplugged(local_store.url)
    assert restarted.fetch(away, MODEL, 1, files=["model.onnx"]) == fetched
    with pytest.raises(Unreachable):
        restarted.fetch(away, MODEL, 1)


def test_a_damaged_file_is_pulled_anew(
    local_store: ModelStore, folder: Path, cache: VersionCache
) -> None:
    publish(local_store, folder)
    fetched = cache.fetch(local_store, MODEL, 1)
    damaged = bytearray((fetched / "model.onnx").read_bytes())
    damaged[7] ^= 1
    (fetched / "model.onnx").write_bytes(damaged)
    assert cache.fetch(local_store, MODEL, 1) == fetched
    assert contents(fetched).items() >= contents(folder).items()


def test_what_one_process_saw_damaged_is_not_removed_after_another_has_mended_it(
    local_store: ModelStore, folder: Path, cache: VersionCache, tmp_path: Path
) -> None:
    publish(local_store, folder)
    fetched = cache.fetch(local_store, MODEL, 1)
    (fetched / "model.onnx").write_bytes(bytes(1000))
    slow = [sys.executable, "-m", "tests.model_store.programs.slow_mender"]
    where = [local_store.url, str(tmp_path / "cache"), "model.onnx"]
    with (
        subprocess.Popen(
            [*slow, *where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "removing\n"
        mended = pool.submit(cache.fetch, local_store, MODEL, 1)
        # It may not get on before the other one does; where it does, there is no need to wait.
        wait_for([mended], timeout=1.0)
        said, _ = other.communicate("go on\n")
        assert said == "Unreachable\n"
        mended.result()
    assert contents(fetched).items() >= contents(folder).items()


@pytest.mark.parametrize("manifest", [None, b"", b"{}"])
def test_a_damaged_manifest_costs_a_new_pull_and_no_more(
    local_store: ModelStore, folder: Path, cache: VersionCache, manifest: bytes | None
) -> None:
    publish(local_store, folder)
    fetched = cache.fetch(local_store, MODEL, 1)
    (fetched / "manifest.json").unlink()
    if manifest is not None:
        (fetched / "manifest.json").write_bytes(manifest)
    cache.fetch(local_store, MODEL, 1)
    assert contents(fetched).items() >= contents(folder).items()


def test_a_damaged_file_and_no_store_is_an_error_and_not_the_damaged_file(
    local_store: ModelStore, folder: Path, cache: VersionCache
) -> None:
    publish(local_store, folder)
    fetched = cache.fetch(local_store, MODEL, 1)
    (fetched / "model.onnx").write_bytes(b"short")
    with pytest.raises(Unreachable):
        cache.fetch(Unplugged(local_store.url), MODEL, 1)


def test_a_version_published_after_the_catalog_was_remembered_is_found(
    local_store: ModelStore, folder: Path, cache: VersionCache
) -> None:
    publish(local_store, folder)
    cache.remember(local_store.url, local_store.catalog(MODEL))
    publish(local_store, folder)
    assert (cache.fetch(local_store, MODEL, 2) / "model.onnx").exists()
    with pytest.raises(NotFound, match="no version 3"):
        cache.fetch(local_store, MODEL, 3)


def test_a_catalog_is_recalled_as_it_was_remembered_with_its_etag(
    local_store: ModelStore, folder: Path, cache: VersionCache
) -> None:
    publish(local_store, folder)
    seen = local_store.catalog(MODEL)
    cache.remember(local_store.url, seen)
    recalled = cache.recall(local_store.url, MODEL)
    assert recalled == seen
    assert local_store.catalog(MODEL, known=recalled) is recalled
    assert cache.recall(local_store.url, "other") is None
    assert cache.recall("file:///elsewhere", MODEL) is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"url":"u","etag":"e","catalog":"{}"}'])
def test_a_damaged_memory_of_the_catalog_is_no_memory(
    local_store: ModelStore, cache: VersionCache, tmp_path: Path, damage: bytes
) -> None:
    cache.remember(local_store.url, Catalog(MODEL))
    [note] = (tmp_path / "cache").rglob("catalog.json")
    note.write_bytes(damage)
    assert cache.recall(local_store.url, MODEL) is None


def test_a_store_that_began_anew_does_not_get_the_old_files(
    local_store: ModelStore, cache: VersionCache, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    cache.fetch(local_store, MODEL, 1)
    (tmp_path / "shelf").rename(tmp_path / "lost")
    other = make_folder(tmp_path / "other", seed=9)
    publish(local_store, other)
    cache.remember(local_store.url, local_store.catalog(MODEL))
    assert contents(cache.fetch(local_store, MODEL, 1)).items() >= contents(other).items()


def cached_versions(cache_root: Path) -> set[str]:
    return {path.name.split("-")[0] for path in cache_root.glob(f"*/{MODEL}/[0-9]*-*")}


def fetch_and_release(cache: VersionCache, store: ModelStore, version: int) -> Path:
    fetched = cache.fetch(store, MODEL, version)
    cache.release(fetched)
    return fetched


@pytest.fixture
def three_versions(local_store: ModelStore, folder: Path) -> ModelStore:
    for _ in range(3):
        publish(local_store, folder)
    return local_store


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_over_its_limit_the_version_used_longest_ago_goes(
    three_versions: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    one = size_of(fetch_and_release(cache, three_versions, 1))
    fetch_and_release(cache, three_versions, 2)
    first = cache.fetch(three_versions, MODEL, 1)  # now version 2 was used longest ago
    cache.release(first)
    os.utime(first, (time.time() + 10, time.time() + 10))
    limited = VersionCache(tmp_path / "cache", limit_bytes=2 * one + one // 2)
    fetch_and_release(limited, three_versions, 3)
    assert cached_versions(tmp_path / "cache") == {"1", "3"}


def test_a_version_that_somebody_holds_is_never_evicted(
    three_versions: ModelStore, cache: VersionCache, tmp_path: Path
) -> None:
    held = cache.fetch(three_versions, MODEL, 1)
    fetch_and_release(cache, three_versions, 2)
    limited = VersionCache(tmp_path / "cache", limit_bytes=1)
    fetch_and_release(limited, three_versions, 3)
    assert cached_versions(tmp_path / "cache") == {"1", "3"}, "held by another, and just fetched"
    assert contents(held)
    cache.release(held)
    fetch_and_release(limited, three_versions, 2)
    assert cached_versions(tmp_path / "cache") == {"2"}


def test_an_evicted_version_is_pulled_again(
    three_versions: ModelStore, tmp_path: Path, folder: Path
) -> None:
    limited = VersionCache(tmp_path / "cache", limit_bytes=1)
    for version in (1, 2, 1):
        fetched = fetch_and_release(limited, three_versions, version)
        assert contents(fetched).items() >= contents(folder).items()
