"""Many publishers at once, and publishers that die: nothing is lost, doubled or damaged."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from model_store import ModelStore, open_store
from model_store.layout import version_of
from tests.model_store.material import MODEL, make_folder, publish

ROOT = Path(__file__).parents[2]
AT_ONCE = timedelta(seconds=-5)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.model_store.programs.{program}", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def output(process: subprocess.Popen[str]) -> list[int]:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return [int(word) for word in out.split()]


def stored_versions(store: ModelStore, tmp_path: Path) -> set[int]:
    """Return the numbers that have files under their final names, whoever names them."""
    if store.url.startswith("file:"):
        shelf = tmp_path / "shelf" / MODEL
        return {int(path.name) for path in shelf.iterdir() if path.name.isdigit()}
    listing = store._backend.list(MODEL)
    return {number for number in (version_of(each.key, MODEL) for each in listing) if number}


def test_eight_processes_publish_forty_versions_and_no_number_twice(
    store: ModelStore, folder: Path
) -> None:
    publishers = [start("publisher", store.url, folder, 5) for _ in range(8)]
    numbers = [number for process in publishers for number in output(process)]
    assert sorted(numbers) == list(range(1, 41))
    catalog = store.catalog(MODEL)
    assert [entry.version for entry in catalog.versions] == list(range(1, 41))
    assert [store.verify(MODEL, number) for number in numbers] == [()] * 40


@pytest.mark.parametrize(("longest_life_s", "kills"), [(0.2, 210)])
def test_publishers_that_are_killed_leave_a_sound_shelf_and_gc_removes_exactly_the_orphans(
    store_url: str, tmp_path: Path, longest_life_s: float, kills: int
) -> None:
    folder = make_folder(tmp_path / "small", size=200_000)
    life_s = longest_life_s * (3 if store_url.startswith("az:") else 1)
    killed, looks, failed, *acknowledged = output(
        start("storm", store_url, folder, kills, life_s, 7)
    )
    assert killed >= 200
    assert looks >= 20
    assert failed == 0, "a publisher failed although nothing but SIGKILL happened to it"
    store = open_store(store_url)
    catalog = store.catalog(MODEL)
    committed = set(catalog.numbers)
    assert acknowledged, "no publisher lived to see its version: the storm proves nothing"
    assert len(set(acknowledged)) == len(acknowledged), "a number was handed out twice"
    assert set(acknowledged) <= committed, "a version is gone that its publisher was promised"
    assert catalog.reservations, "no publisher was killed at work: the storm proves nothing"
    assert [store.verify(MODEL, version) for version in committed] == [()] * len(committed)
    orphans = stored_versions(store, tmp_path) - committed

    garbage = store.gc(MODEL, older_than=AT_ONCE)

    final = {orphan.version for orphan in garbage.orphans if "/_stage-" not in orphan.prefix}
    assert {number for number in final if number is not None} == orphans
    assert set(garbage.reclaimed) == {entry.version for entry in catalog.reservations}
    assert stored_versions(store, tmp_path) == committed
    after = store.catalog(MODEL)
    assert (after.versions, after.labels) == (catalog.versions, catalog.labels)
    assert after.reservations == ()
    assert [store.verify(MODEL, version) for version in committed] == [()] * len(committed)
    assert publish(store, folder).version == catalog.next_version
    if store_url.startswith("file:"):
        left = {path.name for path in (tmp_path / "shelf" / MODEL).iterdir()}
        catalog = store.catalog(MODEL)
        pages = {page.name for page in catalog.version_pages}
        pages |= {page.name for page in catalog.event_pages}
        assert {name for name in left if not name.isdigit()} == {"catalog.json", ".lock"} | pages
    store.close()
