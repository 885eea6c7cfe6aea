"""What happens when the disk is really full, at whichever byte it fills up."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from model_store import ModelStore, NoSpace, VersionCache, open_store
from model_store.__main__ import main
from model_store.backends.local import LocalBackend
from model_store.console import Console
from model_store.ledger import Ledger
from model_store.transitions import reserve
from tests.model_store.material import (
    LINEAGE,
    METRICS,
    MODEL,
    SIGNATURE,
    contents,
    make_folder,
    publish,
)
from tests.model_store.small_disk import SmallDisk, small_disk
from tests.model_store.test_garbage import AT_ONCE

SPACE = "no space is left; free some and run this again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "offered", size=30_000)


@pytest.fixture
def shelf(disk: SmallDisk, folder: Path) -> ModelStore:
    """A local shelf on the small disk, with version 1."""
    store = open_store(f"file://{disk.place}/shelf")
    publish(store, folder)
    return store


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def outcomes(disk: SmallDisk, work: Callable[[], object]) -> Iterator[str]:
    """Work on a disk with 0, 1, 2, … free pages until there is enough; yield each refusal."""
    for pages in itertools.count():
        disk.fill(leave_pages=pages)
        try:
            work()
        except NoSpace as error:
            yield str(error)
        else:
            return


def test_a_publish_that_fills_the_disk_at_any_byte_leaves_what_was(
    disk: SmallDisk, shelf: ModelStore, folder: Path
) -> None:
    home = disk.place / "shelf" / MODEL
    refused = 0
    for message in outcomes(disk, lambda: publish(shelf, folder)):
        refused += 1
        assert SPACE in message
        assert names(home) == {"1", "catalog.json", ".lock"}
        catalog = shelf.catalog(MODEL)
        assert [entry.version for entry in catalog.versions] == [1]
        assert catalog.reservations == ()
    assert refused >= 12, "it was refused while reserving, writing each file and committing"
    catalog = shelf.catalog(MODEL)
    assert [shelf.verify(MODEL, entry.version) for entry in catalog.versions] == [(), ()]
    assert catalog.latest is not None
    assert names(home) == {"1", str(catalog.latest.version), "catalog.json", ".lock"}


def test_a_pull_that_fills_the_disk_at_any_byte_leaves_nothing_and_works_with_more_space(
    disk: SmallDisk, store: ModelStore, folder: Path
) -> None:
    publish(store, folder)
    place = disk.place / "pulled"
    refused = 0
    for message in outcomes(disk, lambda: store.pull(MODEL, 1, place)):
        refused += 1
        assert SPACE in message
        assert names(disk.place) == {"ballast"}
    assert refused >= 12
    pulled = contents(place)
    pulled.pop("manifest.json")
    assert pulled == contents(folder)
    assert names(disk.place) == {"ballast", "pulled"}


def test_a_pull_of_more_files_into_a_full_disk_keeps_those_that_were_there(
    disk: SmallDisk, local_store: ModelStore, folder: Path
) -> None:
    publish(local_store, folder)
    place = local_store.pull(MODEL, 1, disk.place / "pulled", files=["classes.json"])
    before = contents(place)
    for _ in outcomes(disk, lambda: local_store.pull(MODEL, 1, place)):
        assert contents(place) == before
        assert names(disk.place) == {"ballast", "pulled"}
    assert contents(place).items() >= contents(folder).items()


@pytest.mark.parametrize("change", ["label", "reserve"])
def test_a_catalog_that_finds_no_space_stays_as_it_was_to_the_last_byte(
    disk: SmallDisk, shelf: ModelStore, folder: Path, change: str
) -> None:
    home = disk.place / "shelf" / MODEL
    before = (home / "catalog.json").read_bytes()
    disk.fill()
    with pytest.raises(NoSpace, match=SPACE):
        shelf.label(MODEL, "production", 1) if change == "label" else publish(shelf, folder)
    assert (home / "catalog.json").read_bytes() == before
    assert names(home) == {"1", "catalog.json", ".lock"}
    disk.clear()
    assert shelf.label(MODEL, "production", 1).labels == {"production": 1}
    assert publish(shelf, folder).version == 2


def test_gc_frees_a_disk_that_a_dead_publisher_filled(disk: SmallDisk, shelf: ModelStore) -> None:
    ledger = Ledger(shelf.url, LocalBackend(disk.place / "shelf"))
    at = "2026-01-01T00:00:00Z"
    ledger.change(MODEL, lambda catalog: reserve(catalog, token="dead", at=at, by="me"))
    stage = disk.place / "shelf" / MODEL / "_stage-2-0a1b2c3d4e5f"
    stage.mkdir()
    (stage / "model.onnx").write_bytes(bytes(100_000))
    disk.fill()
    garbage = shelf.gc(MODEL, older_than=AT_ONCE)
    assert [orphan.size_bytes for orphan in garbage.orphans] == [100_000]
    assert garbage.reclaimed == (2,)
    assert disk.free_bytes() >= 100_000
    assert shelf.catalog(MODEL).reservations == ()


def test_a_cache_on_a_full_disk_lends_what_it_has_and_refuses_what_it_lacks(
    disk: SmallDisk, local_store: ModelStore, folder: Path
) -> None:
    publish(local_store, folder)
    publish(local_store, folder)
    cache = VersionCache(disk.place / "cache")
    first = cache.fetch(local_store, MODEL, 1)
    for message in outcomes(disk, lambda: cache.fetch(local_store, MODEL, 2)):
        assert SPACE in message
        assert cache.fetch(local_store, MODEL, 1) == first
        assert contents(first).items() >= contents(folder).items()
        assert names(first.parent) - {f".{first.name}.used", first.name, "catalog.json"} <= {
            f".2-{local_store.catalog(MODEL).find(2).manifest_sha256[:12]}.used"
        }
    assert contents(cache.fetch(local_store, MODEL, 2)).items() >= contents(folder).items()


def test_the_memory_of_a_catalog_survives_a_full_disk(
    disk: SmallDisk, local_store: ModelStore, folder: Path
) -> None:
    publish(local_store, folder)
    cache = VersionCache(disk.place / "cache")
    cache.remember(local_store.url, local_store.catalog(MODEL))
    known = cache.recall(local_store.url, MODEL)
    publish(local_store, folder)
    disk.fill()
    with pytest.raises(NoSpace, match=SPACE):
        cache.remember(local_store.url, local_store.catalog(MODEL))
    assert cache.recall(local_store.url, MODEL) == known


@pytest.mark.parametrize("command", ["publish", "pull", "label"])
def test_the_command_line_ends_with_8_and_one_line(
    disk: SmallDisk, shelf: ModelStore, folder: Path, tmp_path: Path, command: str
) -> None:
    data = tmp_path / "data.json"
    data.write_bytes(
        msgspec.json.encode({"signature": SIGNATURE, "metrics": METRICS, "lineage": LINEAGE})
    )
    arguments = {
        "publish": ["publish", str(folder), "--data", str(data)],
        "pull": ["pull", "1", str(disk.place / "pulled")],
        "label": ["label", "production", "1"],
    }
    disk.fill()
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err, io.StringIO())
    assert main([*arguments[command], "--store", shelf.url], environment={}, console=console) == 8
    assert out.getvalue() == ""
    [line] = err.getvalue().splitlines()
    assert line.startswith("error: ")
    assert line.endswith(SPACE)
