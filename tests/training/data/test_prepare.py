import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imaging import decode_image
from tests.training.fakes import RecordedBars
from training.data.prepare import prepare
from training.data.prepared import FACTS, open_prepared
from training.errors import DataError


@pytest.fixture
def data(drawn: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(drawn, tmp_path / "damaged")


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path("tiny-imagenet-200") / file.relative_to(folder))
    return target


def tarred(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, "./tiny-imagenet-200")
    return target


def test_folder_zip_and_tar_prepare_to_the_same_arrays_and_digest(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    cache = tmp_path / "cache"
    sources = [drawn, zipped(drawn, tmp_path / "a.zip"), tarred(drawn, tmp_path / "a.tar.gz")]
    prepared = [prepare(source, cache, bars) for source in sources]
    assert len({item.digest for item in prepared}) == 1
    assert len({item.folder for item in prepared}) == 3
    for item in prepared[1:]:
        np.testing.assert_array_equal(item.train.images, prepared[0].train.images)
        np.testing.assert_array_equal(item.val.labels, prepared[0].val.labels)


def test_images_lie_next_to_their_labels(drawn: Path, tmp_path: Path, bars: RecordedBars) -> None:
    prepared = prepare(drawn, tmp_path, bars)
    assert prepared.train.images.shape == (200, 64, 64, 3)
    assert prepared.train.images.dtype == np.uint8
    assert prepared.train.labels.dtype == np.int32
    wnid = prepared.classes[prepared.train.labels[17]].wnid
    content = (drawn / "train" / wnid / "images" / f"{wnid}_0.JPEG").read_bytes()
    np.testing.assert_array_equal(prepared.train.images[17], decode_image(content))


def test_a_data_set_one_folder_further_down_is_found(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    shutil.copytree(drawn, tmp_path / "around" / "tiny-imagenet-200")
    assert prepare(tmp_path / "around", tmp_path / "cache", bars).class_count == 200


def test_the_second_start_decodes_nothing(drawn: Path, tmp_path: Path, bars: RecordedBars) -> None:
    first = prepare(drawn, tmp_path, bars)
    seen = len(bars.bars)
    assert prepare(drawn, tmp_path, bars).digest == first.digest
    assert len(bars.bars) == seen == 1
    assert bars.bars[0].done == bars.bars[0].total == 400


def test_a_prepared_folder_is_taken_as_it_is(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    first = prepare(drawn, tmp_path / "cache", bars)
    assert prepare(first.folder, tmp_path / "other", bars).folder == first.folder
    assert not (tmp_path / "other").exists()


def test_an_added_image_is_noticed(data: Path, tmp_path: Path, bars: RecordedBars) -> None:
    before = prepare(data, tmp_path / "cache", bars)
    images = next((data / "train").iterdir()) / "images"
    shutil.copy(next(images.iterdir()), images / "another_1.JPEG")
    after = prepare(data, tmp_path / "cache", bars)
    assert len(after.train) == len(before.train) + 1
    assert after.digest != before.digest


def test_refresh_notices_an_image_that_was_overwritten(
    data: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    before = prepare(data, tmp_path / "cache", bars)
    image = next((data / "val" / "images").iterdir())
    Image.new("RGB", (64, 64), "red").save(image)
    assert prepare(data, tmp_path / "cache", bars, refresh=True).digest != before.digest


def cut_image(data: Path) -> str:
    image = data / "val" / "images" / "val_3.JPEG"
    image.write_bytes(image.read_bytes()[:200])
    return "val/images/val_3.JPEG: the image is damaged"


def text_for_image(data: Path) -> str:
    image = sorted((data / "train").iterdir())[5] / "images"
    next(image.iterdir()).write_text("not an image")
    return f"train/{image.parent.name}/images/{image.parent.name}_0.JPEG: not an image"


def no_annotations(data: Path) -> str:
    (data / "val" / "val_annotations.txt").unlink()
    return "val/val_annotations.txt is missing"


def no_words(data: Path) -> str:
    (data / "words.txt").unlink()
    return "words.txt is missing"


def no_wnids(data: Path) -> str:
    (data / "wnids.txt").unlink()
    return "wnids.txt is missing"


def empty_class(data: Path) -> str:
    wnid = sorted((data / "train").iterdir())[7].name
    shutil.rmtree(data / "train" / wnid / "images")
    return f"class folders without images: train/{wnid}/images"


@pytest.mark.parametrize(
    "damage", [cut_image, text_for_image, no_annotations, no_words, no_wnids, empty_class]
)
def test_damage_is_refused_naming_the_file_and_nothing_stays_behind(
    data: Path, tmp_path: Path, bars: RecordedBars, damage: Callable[[Path], str]
) -> None:
    message = damage(data)
    cache = tmp_path / "cache"
    with pytest.raises(DataError) as caught:
        prepare(data, cache, bars)
    assert message in str(caught.value)
    assert str(data) in str(caught.value)
    assert [item for item in cache.iterdir() if item.is_dir()] == []


def test_what_a_killed_preparation_left_is_neither_used_nor_kept(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    folder = prepare(drawn, tmp_path, bars).folder
    (folder / FACTS).unlink()  # the last file written
    folder.rename(folder.with_name(f"{folder.name}.partial"))
    prepare(drawn, tmp_path, bars)
    assert len(bars.bars) == 2
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_dir()) == [folder.name]


def test_truncated_arrays_are_noticed(drawn: Path, tmp_path: Path, bars: RecordedBars) -> None:
    folder = prepare(drawn, tmp_path, bars).folder
    images = folder / "train_images.npy"
    content = images.read_bytes()
    images.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="train arrays are damaged"):
        open_prepared(folder)


@pytest.mark.parametrize("name", ["broken.zip", "broken.tar.gz"])
def test_a_truncated_archive_is_refused_by_name(
    drawn: Path, tmp_path: Path, bars: RecordedBars, name: str
) -> None:
    whole = (zipped if name.endswith("zip") else tarred)(drawn, tmp_path / "whole")
    (tmp_path / name).write_bytes(whole.read_bytes()[:50_000])
    with pytest.raises(DataError, match=name):
        prepare(tmp_path / name, tmp_path / "cache", bars)


def test_an_archive_of_something_else_is_refused(tmp_path: Path, bars: RecordedBars) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match="holds no wnids"):
        prepare(tmp_path / "other.zip", tmp_path / "cache", bars)


def test_members_outside_the_root_are_left_out_and_written_nowhere(
    drawn: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    hostile = tmp_path / "deep" / "inside" / "hostile.tar"
    hostile.parent.mkdir(parents=True)
    with tarfile.open(hostile, "w") as archive:
        archive.add(drawn, "tiny-imagenet-200")
        for name in ("../../escaped.JPEG", "/escaped.JPEG", "train/../../escaped.JPEG"):
            intruder = tarfile.TarInfo(name)
            intruder.size = 4
            archive.addfile(intruder, io.BytesIO(b"evil"))
    prepared = prepare(hostile, tmp_path / "cache", bars)
    assert len(prepared.train) == 200
    assert list(tmp_path.rglob("*escaped*")) == []


def test_a_member_of_absurd_size_is_refused_before_it_is_read(
    data: Path, tmp_path: Path, bars: RecordedBars
) -> None:
    archive = tmp_path / "bomb.zip"
    zipped(data, archive)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        wnid = min((data / "train").iterdir()).name
        name = f"tiny-imagenet-200/train/{wnid}/images/{wnid}_1.JPEG"
        opened.writestr(name, b"\0" * 40_000_000)
    with pytest.raises(DataError, match=f"{wnid}_1.JPEG has 40,000,000 bytes"):
        prepare(archive, tmp_path / "cache", bars)


def test_a_path_that_is_nothing_is_refused(tmp_path: Path, bars: RecordedBars) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        prepare(tmp_path / "nowhere", tmp_path / "cache", bars)
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(DataError, match="neither a folder nor a readable"):
        prepare(tmp_path / "note.txt", tmp_path / "cache", bars)
