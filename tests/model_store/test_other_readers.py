"""TensorFlow Serving and Triton can read a local shelf as it stands, at any moment."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from model_store import Conflict, ModelStore, NotFound, VersionCache, open_store
from model_store.layout import LOCK, STAGE_PREFIX, TEMPORARY_PREFIX, event_page, version_page
from model_store.manifest import Manifest, decode_manifest
from tests.model_store.material import MODEL, make_folder, publish
from tests.model_store.other_readers import (
    PollFailed,
    tensorflow_serving_versions,
    triton_finds_onnx,
    triton_models,
    triton_versions,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "for_serving", "for_triton"),
    [
        ("7", 7, 7),
        ("12", 12, 12),
        ("007", 7, None),
        ("7-old", None, 7),
        ("-7", -7, -7),
        ("99999999999999999999", None, None),
        ("v7", None, None),
        ("configs", None, None),
        (f"{STAGE_PREFIX}7-0a1b2c3d4e5f", None, None),
        (f"{TEMPORARY_PREFIX}0a1b2c3d4e5f", None, None),
        (version_page(501, "0a1b2c3d4e5f"), None, None),
        (event_page(200, "0a1b2c3d4e5f"), None, None),
    ],
)
def test_readers_take_numbers_for_versions_and_nothing_of_the_shelfs_own(
    tmp_path: Path, name: str, for_serving: int | None, for_triton: int | None
) -> None:
    (tmp_path / name).mkdir()
    assert set(tensorflow_serving_versions(tmp_path)) == {for_serving} - {None}
    if len(name) < 20:  # longer ones end Triton with std::out_of_range, which no shelf writes
        assert triton_versions(tmp_path) == {for_triton} - {None}


@pytest.mark.parametrize(
    "work", [f"{STAGE_PREFIX}1-0a", version_page(1, "0a"), event_page(1, "0a")]
)
def test_the_shelfs_own_folders_stand_behind_every_version(tmp_path: Path, work: str) -> None:
    (tmp_path / work).mkdir()
    assert not triton_finds_onnx(tmp_path)
    for name in ("9", "10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").touch()
    assert triton_finds_onnx(tmp_path)


def test_a_shelf_is_a_repository_of_models_and_each_model_a_base_path(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    for model in ("resnet50", "resnet50-int8"):
        local_store.check_writable(model)
        publish(local_store, folder, model)
        publish(local_store, folder, model)
    local_store.delete("resnet50", 1)
    shelf = tmp_path / "shelf"
    assert triton_models(shelf) == ["resnet50", "resnet50-int8"]
    for model, versions in (("resnet50", {2}), ("resnet50-int8", {1, 2})):
        assert set(tensorflow_serving_versions(shelf / model)) == versions
        assert triton_versions(shelf / model) == versions
        assert triton_finds_onnx(shelf / model)
    names = {path.name for path in (shelf / "resnet50" / "2").iterdir()}
    assert names >= {"saved_model.pb", "variables", "model.onnx"}
    assert {path.name for path in (shelf / "resnet50").iterdir()} == {"2", "catalog.json", LOCK}


def is_complete(version: Path) -> bool:
    """Tell whether every file is there with its bytes; False where the whole folder is gone.

    By path, one after the other, as both readers open files.
    """
    try:
        data = (version / "manifest.json").read_bytes()
        manifest: Manifest = decode_manifest(
            data, sha256=hashlib.sha256(data).hexdigest(), where=str(version)
        )
        for entry in manifest.files:
            content = (version / entry.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry.sha256, f"{version}/{entry.name}"
    except FileNotFoundError:
        assert not version.exists(), f"{version} was seen without all of its files"
        return False
    return True


def look(base_path: Path, seen: Counter[str]) -> None:
    """Do what both readers do at one poll, and load what they would."""
    versions = tensorflow_serving_versions(base_path)
    for number, name in versions.items():
        assert name == str(number)
        seen["loaded" if is_complete(base_path / name) else "gone"] += 1
    try:
        others = triton_versions(base_path)
        found = triton_finds_onnx(base_path)
    except PollFailed:
        seen["failed polls"] += 1
        return
    assert found or not others, "Triton would not know what kind of model this is"
    seen["polls"] += 1


def delete_oldest(store: ModelStore, *, keep: int) -> int:
    """Delete all but the newest; a publisher that has just labelled one wins."""
    deleted = 0
    for entry in store.catalog(MODEL).versions[:-keep]:
        with suppress(Conflict, NotFound):
            store.delete(MODEL, entry.version)
            deleted += 1
    return deleted


@contextmanager
def dying_publishers(url: str, folder: Path, *, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the storm; its end is waited for, so that no publisher of it is left."""
    storm = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.model_store.programs.storm"),
            *(url, str(folder), "60", "0.2", str(seed)),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield storm
    finally:
        assert storm.wait() == 0


def test_no_reader_ever_sees_half_a_version_while_publishers_die_and_versions_go(
    local_url: str, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "small", size=200_000)
    store, base_path = open_store(local_url), tmp_path / "shelf" / MODEL
    publish(store, folder)
    seen: Counter[str] = Counter()
    # How much is seen of one storm depends on the machine: as many as it takes.
    for seed in count(11):
        with dying_publishers(local_url, folder, seed=seed) as storm:
            while storm.poll() is None:
                look(base_path, seen)
                # On a slow machine all of the others may die before they are done.
                publish(store, folder)
                seen["deleted"] += delete_oldest(store, keep=3)
        if seen["deleted"] > 5 and seen["loaded"] > 20 and seen["polls"] > 10:
            break
    look(base_path, seen)
    assert any(base_path.glob(f"{STAGE_PREFIX}*")), "no publisher died at work"


def test_the_cache_of_a_service_is_no_place_for_other_readers_and_lies_elsewhere(
    local_store: ModelStore, folder: Path, tmp_path: Path
) -> None:
    publish(local_store, folder)
    fetched = VersionCache(tmp_path / "cache").fetch(local_store, MODEL, 1)
    assert tmp_path / "shelf" not in fetched.parents
    assert set(tensorflow_serving_versions(fetched.parent)) == set()
