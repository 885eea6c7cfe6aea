from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from benchmarks.some_classes import main, write_some_classes
from training.data.layout import LISTS, Layout, read_layout
from training.data.source import open_source

IMAGES_A_CLASS = 3
WNIDS = [f"n{index:08d}" for index in range(6)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A data set of six classes in the layout of Tiny ImageNet, packed as it is; no real images."""
    root = tmp_path / "tiny-imagenet-200"
    contents = {
        "wnids.txt": "\n".join(WNIDS),
        "words.txt": "\n".join(f"{wnid}\tthing {wnid}" for wnid in WNIDS),
        "val/val_annotations.txt": "\n".join(
            f"val_{index}.JPEG\t{wnid}\t0\t0\t9\t9" for index, wnid in enumerate(WNIDS)
        ),
    }
    for index, wnid in enumerate(WNIDS):
        contents[f"val/images/val_{index}.JPEG"] = f"validation {wnid}"
        for number in range(IMAGES_A_CLASS):
            contents[f"train/{wnid}/images/{wnid}_{number}.JPEG"] = f"{wnid} {number}"
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    packed = tmp_path / "tiny-imagenet-200.tar.gz"
    with tarfile.open(packed, "w:gz") as file:
        file.add(root, root.name)
    return packed


def layout_of(folder: Path) -> Layout:
    source = open_source(folder)
    texts = {name: content.decode() for name, content in source.read(LISTS)}
    return read_layout(source.names(), texts)


def test_every_third_class_is_there_with_all_its_images(archive: Path, tmp_path: Path) -> None:
    assert write_some_classes(archive, tmp_path / "some", every=3) == 2
    layout = layout_of(tmp_path / "some")
    assert [each.wnid for each in layout.classes] == [WNIDS[0], WNIDS[3]]
    assert [label for _, label in layout.train] == [0] * IMAGES_A_CLASS + [1] * IMAGES_A_CLASS
    assert layout.val == (("val/images/val_0.JPEG", 0), ("val/images/val_3.JPEG", 1))
    for name, label in (*layout.train, *layout.val):
        assert WNIDS[3 * label] in (tmp_path / "some" / name).read_text()
    assert len(list((tmp_path / "some").rglob("*.JPEG"))) == 2 * (IMAGES_A_CLASS + 1)


@pytest.mark.parametrize("missing", ["archive", "room"])
def test_what_cannot_be_done_is_said_and_nothing_is_spoilt(
    archive: Path,
    tmp_path: Path,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "some"
    if missing == "archive":
        archive.unlink()
    else:
        folder.mkdir()
        (folder / "mine").write_text("mine")
    monkeypatch.setattr("sys.argv", ["some_classes", str(archive), str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert (archive.name if missing == "archive" else "exists already") in capsys.readouterr().err
    assert missing == "archive" or [each.name for each in folder.iterdir()] == ["mine"]
