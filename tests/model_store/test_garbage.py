"""gc removes what no catalog names, and nothing else."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from model_store import Conflict, ModelStore
from model_store.backends.base import Backend
from model_store.identity import rfc3339
from model_store.ledger import Ledger
from model_store.transitions import doom, reserve
from tests.model_store.material import LINEAGE, MODEL, SIGNATURE, make_folder, publish

EARLIER = "2026-01-01T00:00:00.000000Z"
AT_ONCE = timedelta(seconds=-5)


@pytest.fixture
def shelf(backend: Backend, tmp_path: Path) -> ModelStore:
    """Version 1, labelled; a store whose clock is right."""
    opened = ModelStore("test://shelf", backend)
    publish(opened, make_folder(tmp_path / "offered"))
    opened.label(MODEL, "production", 1)
    return opened


def crash_while_publishing(backend: Backend, *, at: str = EARLIER) -> None:
    """Leave what a publisher leaves that dies just before its commit."""
    catalog = Ledger("test://shelf", backend).change(
        MODEL, lambda catalog: reserve(catalog, token="t", at=at, by="ghost@desk")
    )
    version = catalog.next_version - 1
    with backend.stage(f"{MODEL}/{version}") as stage:
        stage.add("variables/index", io.BytesIO(b"12345"), 5)
        stage.seal()


def keys(backend: Backend) -> set[str]:
    return {stored.key for stored in backend.list(MODEL)}


def test_a_clean_shelf_has_no_garbage(shelf: ModelStore, backend: Backend) -> None:
    before = keys(backend)
    garbage = shelf.gc(MODEL, older_than=AT_ONCE)
    assert (garbage.orphans, garbage.reclaimed, garbage.kept) == ((), (), ())
    assert keys(backend) == before


def test_what_a_dead_publisher_left_is_removed_and_nothing_else(
    shelf: ModelStore, backend: Backend
) -> None:
    before = keys(backend)
    crash_while_publishing(backend)
    garbage = shelf.gc(MODEL, older_than=AT_ONCE)
    assert [(orphan.version, orphan.size_bytes) for orphan in garbage.orphans] == [(2, 5)]
    assert garbage.reclaimed == (2,)
    assert keys(backend) == before
    assert shelf.verify(MODEL, 1) == ()
    assert shelf.gc(MODEL, older_than=AT_ONCE).orphans == ()


def test_a_dry_run_tells_the_same_and_removes_nothing(shelf: ModelStore, backend: Backend) -> None:
    crash_while_publishing(backend)
    before = keys(backend)
    planned = shelf.gc(MODEL, older_than=AT_ONCE, dry_run=True)
    assert keys(backend) == before
    assert planned == shelf.gc(MODEL, older_than=AT_ONCE)


def test_what_is_young_is_left_alone(shelf: ModelStore, backend: Backend) -> None:
    crash_while_publishing(backend)
    before = keys(backend)
    garbage = shelf.gc(MODEL, older_than=timedelta(hours=1))
    assert (garbage.orphans, garbage.reclaimed) == ((), ())
    assert [orphan.version for orphan in garbage.kept] == [2]
    assert keys(backend) == before


def test_a_publisher_that_is_still_at_work_is_left_alone(
    shelf: ModelStore, backend: Backend
) -> None:
    crash_while_publishing(backend, at=rfc3339(datetime.now(UTC) + timedelta(minutes=1)))
    before = keys(backend)
    garbage = shelf.gc(MODEL, older_than=timedelta(0))
    assert [orphan.reason for orphan in garbage.kept] == ["being published by ghost@desk"]
    assert keys(backend) == before


def test_a_publisher_that_was_taken_for_dead_is_refused_at_its_commit(
    shelf: ModelStore, tmp_path: Path
) -> None:
    """Its files may be gone, so that the version must not appear."""
    collected: list[bool] = []

    def collect_meanwhile(_stage: str, _done: int, _total: int) -> None:
        if not collected:
            collected.append(True)
            shelf.gc(MODEL, older_than=AT_ONCE)

    with pytest.raises(Conflict, match="the number 2 was reclaimed by gc"):
        shelf.publish(
            MODEL,
            tmp_path / "offered",
            signature=SIGNATURE,
            metrics={},
            lineage=LINEAGE,
            progress=collect_meanwhile,
        )
    assert [entry.version for entry in shelf.catalog(MODEL).versions] == [1]
    shelf.gc(MODEL, older_than=AT_ONCE)
    assert publish(shelf, tmp_path / "offered").version == 3
    assert shelf.verify(MODEL, 3) == ()


def test_a_deletion_that_was_interrupted_is_finished(
    shelf: ModelStore, backend: Backend, tmp_path: Path
) -> None:
    publish(shelf, tmp_path / "offered")
    Ledger("test://shelf", backend).change(
        MODEL, lambda catalog: doom(catalog, 2, at=EARLIER, by="ghost@desk")
    )
    garbage = shelf.gc(MODEL)
    assert [(o.version, o.reason) for o in garbage.orphans] == [(2, "its deletion was interrupted")]
    assert not [key for key in keys(backend) if key.startswith(f"{MODEL}/2/")]
    assert shelf.catalog(MODEL).doomed == ()


def test_numbers_that_were_never_handed_out_are_not_touched(
    shelf: ModelStore, backend: Backend
) -> None:
    """An older copy of the catalog may have been restored: those versions must survive."""
    with backend.stage(f"{MODEL}/7") as stage:
        stage.add("model.onnx", io.BytesIO(b"12345"), 5)
        stage.seal()
    garbage = shelf.gc(MODEL, older_than=AT_ONCE)
    assert [orphan.version for orphan in garbage.kept] == [7]
    assert f"{MODEL}/7/model.onnx" in keys(backend)


def test_files_that_hotshelf_did_not_write_are_not_touched(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    for name in ("config.pbtxt", "notes/7", "007/x"):
        path = tmp_path / "shelf" / MODEL / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    garbage = local_store.gc(MODEL, older_than=AT_ONCE)
    assert (garbage.orphans, garbage.kept) == ((), ())
    assert (tmp_path / "shelf" / MODEL / "007" / "x").read_text() == "mine"


@pytest.mark.parametrize("leftover", ["_stage-2-0a1b2c3d4e5f", ".tmp-0a1b2c3d4e5f"])
def test_working_files_that_a_crash_left_are_removed(
    local_store: ModelStore, folder: Path, tmp_path: Path, leftover: str
) -> None:
    publish(local_store, folder)
    home = tmp_path / "shelf" / MODEL
    (home / leftover).mkdir() if "stage" in leftover else (home / leftover).touch()
    local_store.gc(MODEL, older_than=AT_ONCE)
    assert {path.name for path in home.iterdir()} == {"1", "catalog.json", ".lock"}
    assert local_store.verify(MODEL, 1) == ()


def test_verify_names_what_is_damaged(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    version = tmp_path / "shelf" / MODEL / "1"
    flipped = bytearray((version / "model.onnx").read_bytes())
    flipped[0] ^= 1
    for name, data in {"model.onnx": bytes(flipped), "saved_model.pb": b"short"}.items():
        (version / name).unlink()
        (version / name).write_bytes(data)
    (version / "classes.json").unlink()
    damage = {each.file: each.reason for each in local_store.verify(MODEL, 1)}
    assert set(damage) == {"model.onnx", "saved_model.pb", "classes.json"}
    assert "bytes have changed" in damage["model.onnx"]
    assert "ends after 5 of 300 bytes" in damage["saved_model.pb"]
    assert "gone" in damage["classes.json"]
