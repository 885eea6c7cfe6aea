import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from imaging import decode_image
from tests.training.fakes import RecordedBars
from training.data.drawing import all_kinds, draw
from training.data.generate import GeneratedSize, generate
from training.errors import UsageError


def digest(folder: Path) -> str:
    content = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return content.hexdigest()


def test_the_layout_is_that_of_tiny_imagenet(drawn: Path) -> None:
    wnids = (drawn / "wnids.txt").read_text().split()
    assert len(set(wnids)) == 200
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in wnids)
    names = dict(line.split("\t") for line in (drawn / "words.txt").read_text().splitlines())
    assert len({names[wnid] for wnid in wnids}) == 200
    for wnid in wnids:
        boxes = (drawn / "train" / wnid / f"{wnid}_boxes.txt").read_text().split("\t")
        assert boxes[0] == f"{wnid}_0.JPEG"
        assert (drawn / "train" / wnid / "images" / boxes[0]).is_file()
    lines = (drawn / "val" / "val_annotations.txt").read_text().splitlines()
    assert len(lines) == 200
    for line in lines:
        name, wnid, *box = line.split("\t")
        assert wnid in wnids
        x0, y0, x1, y1 = map(int, box)
        assert 0 <= x0 < x1 <= 63
        assert 0 <= y0 < y1 <= 63
        image = decode_image((drawn / "val" / "images" / name).read_bytes())
        assert image.shape == (64, 64, 3)


def test_the_seed_decides_every_byte(drawn: Path, tmp_path: Path, bars: RecordedBars) -> None:
    size = GeneratedSize(train_per_class=1, val_per_class=1)
    assert digest(generate(tmp_path / "same", size, bars)) == digest(drawn)
    other = GeneratedSize(train_per_class=1, val_per_class=1, seed=1)
    assert digest(generate(tmp_path / "other", other, bars)) != digest(drawn)


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, bars: RecordedBars) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        generate(tmp_path, GeneratedSize(), bars)
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("size", [GeneratedSize(train_per_class=0), GeneratedSize(val_per_class=0)])
def test_a_split_without_images_is_refused(
    tmp_path: Path, bars: RecordedBars, size: GeneratedSize
) -> None:
    with pytest.raises(UsageError, match="at least one image"):
        generate(tmp_path / "out", size, bars)
    assert not (tmp_path / "out").exists()


def test_images_of_a_kind_differ_but_keep_its_colour() -> None:
    red = next(kind for kind in all_kinds() if kind.label == "red plain disc")
    images = [draw(red, np.random.default_rng(seed))[0] for seed in (0, 1)]
    assert (images[0] != images[1]).mean() > 0.5
    for image in images:
        centre = image[26:38, 26:38].reshape(-1, 3).mean(axis=0)
        assert centre[0] > 150
        assert centre[1:].max() < 90
