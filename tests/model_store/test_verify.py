"""`verify` tells of everything that is damaged, whatever the damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store import InvalidName, ModelStore, NotFound, Unreachable
from tests.model_store.command_line import Run
from tests.model_store.material import MODEL, publish


@pytest.mark.parametrize("lost", [b"", b"{}", None])
def test_a_damaged_manifest_is_damage_and_the_other_versions_are_verified(
    shelf: Run, tmp_path: Path, lost: bytes | None
) -> None:
    manifest = tmp_path / "shelf" / MODEL / "1" / "manifest.json"
    manifest.unlink()
    if lost is not None:
        manifest.write_bytes(lost)
    answer = shelf("verify", "--json")
    assert answer.code == 5
    damage = answer.json["damage"]
    assert [each["file"] for each in damage["1"]] == ["manifest.json"]
    assert "publish" in damage["1"][0]["reason"]
    assert damage["2"] == []
    assert "resnet50 1: damaged\n  manifest.json: file://" in shelf("verify").out


def test_a_file_in_the_place_of_a_version_is_damage_and_the_others_are_verified(
    shelf: Run, tmp_path: Path
) -> None:
    version = tmp_path / "shelf" / MODEL / "1"
    version.rename(tmp_path / "moved")
    version.touch()
    answer = shelf("verify", "--json")
    assert answer.code == 5
    damage = answer.json["damage"]
    assert [each["file"] for each in damage["1"]] == ["manifest.json"]
    assert damage["2"] == []


def test_a_file_in_the_place_of_a_model_is_no_empty_shelf(local_store: ModelStore) -> None:
    model = Path(local_store.url.removeprefix("file://")) / MODEL
    model.parent.mkdir(parents=True, exist_ok=True)
    model.touch()
    with pytest.raises(Unreachable, match="a part of the path is a file"):
        local_store.catalog(MODEL)


@pytest.mark.parametrize("name", ["classes.json", "manifest.json", "variables/variables.index"])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_any_more_is_damage(
    local_store: ModelStore, folder: Path, tmp_path: Path, name: str, kind: str
) -> None:
    publish(local_store, folder)
    path = tmp_path / "shelf" / MODEL / "1" / name
    moved = path.rename(tmp_path / "moved")
    path.symlink_to(moved) if kind == "link" else path.mkdir()
    [damage] = local_store.verify(MODEL, 1)
    assert damage.file == name
    assert ("leaves the store" in damage.reason) == (kind == "link")
    assert ("a folder is where a file should be" in damage.reason) == (kind == "folder")


def test_verifying_what_never_was_is_an_error_and_no_damage(
    local_store: ModelStore, folder: Path
) -> None:
    publish(local_store, folder)
    with pytest.raises(NotFound, match="no version 9"):
        local_store.verify(MODEL, 9)
    with pytest.raises(InvalidName):
        local_store.verify("../x", 1)
