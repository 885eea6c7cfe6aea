"""The generated data set: 200 kinds of drawn shapes in Tiny ImageNet's layout."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from training.data.drawing import Box, Kind, all_kinds, draw
from training.errors import UsageError
from training.progress import Bar, Bars

TRAIN_PER_CLASS = 40
VAL_PER_CLASS = 10

# ImageNet's ids end at n15102894, so none of these can be mistaken for one of them.
_FIRST_WNID = 90_000_000
_JPEG_QUALITY = 92
_SPLITS = {"train": 0, "val": 1}


class GeneratedSize(msgspec.Struct, frozen=True):
    """How many images a class gets in each split, and the seed they are drawn from."""

    train_per_class: int = TRAIN_PER_CLASS
    val_per_class: int = VAL_PER_CLASS
    seed: int = 0

    def name(self) -> str:
        """Return a folder name that tells one size and seed from another."""
        return f"generated-{self.train_per_class}-{self.val_per_class}-seed{self.seed}"


def wnid(index: int) -> str:
    """Return the made-up but well-formed id of class `index`."""
    return f"n{_FIRST_WNID + index:08d}"


def generate(folder: Path, size: GeneratedSize, bars: Bars) -> Path:
    """Draw the data set into `folder` and return it; a folder that exists is refused.

    The same size and seed give the same bytes. Drawn beside and renamed at the end. Raises
    UsageError when `folder` exists or a size isn't positive.
    """
    if size.train_per_class < 1 or size.val_per_class < 1:
        raise UsageError("the generated data set needs at least one image a class in each split")
    if folder.exists():
        raise UsageError(f"{folder}: exists already; give another folder or delete it first")
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    kinds = all_kinds()
    total = len(kinds) * (size.train_per_class + size.val_per_class)
    with bars.open("drawing images", total=total, unit="images") as bar:
        _write_lists(partial, kinds)
        for index, kind in enumerate(kinds):
            _write_train(partial, index, kind, size, bar)
        _write_val(partial, kinds, size, bar)
    partial.rename(folder)
    return folder


def _write_lists(folder: Path, kinds: tuple[Kind, ...]) -> None:
    folder.mkdir(parents=True)
    (folder / "wnids.txt").write_text("".join(f"{wnid(i)}\n" for i in range(len(kinds))))
    words = (f"{wnid(i)}\t{kind.label}, drawn\n" for i, kind in enumerate(kinds))
    (folder / "words.txt").write_text("".join(words))


def _write_train(folder: Path, index: int, kind: Kind, size: GeneratedSize, bar: Bar) -> None:
    images = folder / "train" / wnid(index) / "images"
    images.mkdir(parents=True)
    boxes: list[str] = []
    for number in range(size.train_per_class):
        name = f"{wnid(index)}_{number}.JPEG"
        content, box = _encoded(kind, (size.seed, _SPLITS["train"], index, number))
        (images / name).write_bytes(content)
        boxes.append(f"{name}\t{_tabbed(box)}\n")
        bar.advance()
    (images.parent / f"{wnid(index)}_boxes.txt").write_text("".join(boxes))


def _write_val(folder: Path, kinds: tuple[Kind, ...], size: GeneratedSize, bar: Bar) -> None:
    images = folder / "val" / "images"
    images.mkdir(parents=True)
    lines: list[str] = []
    for number in range(size.val_per_class):
        for index, kind in enumerate(kinds):
            name = f"val_{len(lines)}.JPEG"
            content, box = _encoded(kind, (size.seed, _SPLITS["val"], index, number))
            (images / name).write_bytes(content)
            lines.append(f"{name}\t{wnid(index)}\t{_tabbed(box)}\n")
            bar.advance()
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))


def _encoded(kind: Kind, key: tuple[int, int, int, int]) -> tuple[bytes, Box]:
    pixels, box = draw(kind, np.random.default_rng(key))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue(), box


def _tabbed(box: Box) -> str:
    return "\t".join(str(edge) for edge in box)
