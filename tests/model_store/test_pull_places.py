"""Where a version can be pulled to, and what is told where the shelf has lost a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store import Conflict, Corrupt, ModelStore, NotFound
from tests.model_store.command_line import Run
from tests.model_store.material import MODEL, contents, publish
from tests.model_store.memory_backend import MemoryBackend


@pytest.fixture
def store(folder: Path) -> ModelStore:
    """Version 1."""
    opened = ModelStore("test://shelf", MemoryBackend())
    publish(opened, folder)
    return opened


def test_an_empty_folder_is_filled(store: ModelStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    place = store.pull(MODEL, 1, tmp_path / "p")
    assert contents(place).items() >= contents(folder).items()


def test_the_current_folder_is_not_replaced_under_whoever_stands_in_it(
    shelf: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    answer = shelf("pull", 1, ".")
    assert (answer.code, answer.out) == (4, "")
    assert f"{here} is the current folder; name a folder that doesn't exist yet" in answer.err
    assert list(here.iterdir()) == []
    assert here.samefile(".")
    assert shelf("pull", 1, "new").code == 0


def test_what_is_missing_is_added_to_a_version_in_the_current_folder(
    store: ModelStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.pull(MODEL, 1, tmp_path / "p", files=["model.onnx"]))
    store.pull(MODEL, 1, Path())
    assert contents(Path()).items() >= contents(folder).items()


@pytest.mark.parametrize("target", ["empty", "nowhere"])
def test_a_link_is_refused_before_anything_is_downloaded(
    store: ModelStore, tmp_path: Path, target: str
) -> None:
    (tmp_path / "empty").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    fetched: list[int] = []
    with pytest.raises(Conflict, match="link is a symbolic link; name its target"):
        store.pull(MODEL, 1, link, progress=lambda _stage, done, _total: fetched.append(done))
    assert fetched == []
    assert link.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"offered", "empty", "link"}


def test_a_link_to_a_pulled_version_is_as_good_as_the_folder(
    store: ModelStore, tmp_path: Path
) -> None:
    place = store.pull(MODEL, 1, tmp_path / "p")
    (tmp_path / "link").symlink_to(place)
    store.pull(MODEL, 1, tmp_path / "link")


def test_a_file_that_the_shelf_has_lost_is_corrupt(
    shelf: Run, local_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "shelf" / MODEL / "1" / "model.onnx").unlink()
    with pytest.raises(Corrupt, match=r"1/model\.onnx is gone although the manifest names it"):
        local_store.pull(MODEL, 1, tmp_path / "p")
    assert shelf("pull", 1, tmp_path / "p").code == 5
    assert not (tmp_path / "p").exists()


def test_a_version_that_is_deleted_meanwhile_is_not_found(
    store: ModelStore, tmp_path: Path
) -> None:
    def delete(_stage: str, _done: int, _total: int) -> None:
        if store.catalog(MODEL).numbers:
            store.delete(MODEL, 1)

    with pytest.raises(NotFound, match="has no version 1; nothing is published yet"):
        store.pull(MODEL, 1, tmp_path / "p", progress=delete)
