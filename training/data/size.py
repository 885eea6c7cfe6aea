"""How many images and classes there are, without decoding, drawing or downloading any."""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.data.generate import TRAIN_PER_CLASS, VAL_PER_CLASS
from training.data.prepare import layout_of, prepared_folder
from training.data.prepared import PreparedData, is_prepared, open_prepared
from training.data.resolve import GENERATED, SOURCES, TINY_IMAGENET, tiny_imagenet
from training.data.source import open_source
from training.errors import DataError

_CLASSES = 200


class DataSize(msgspec.Struct, frozen=True):
    """Sizes, and how they are known."""

    classes: int
    train_images: int
    val_images: int
    known_from: str


_TINY_IMAGENET_SIZE = (_CLASSES, 100_000, 10_000)
_GENERATED_SIZE = (_CLASSES, _CLASSES * TRAIN_PER_CLASS, _CLASSES * VAL_PER_CLASS)


def size_of(data: str | None, cache: Path, *, sources: Path = SOURCES) -> DataSize:
    """Return the size of what `data` means; see `training.data.resolve`.

    Prepared data is asked itself, a folder or archive by its names and lists. Without data, or
    when a named data set isn't here yet, it is what that data set will be, or Tiny ImageNet.
    Raises DataError when a path holds no data set.
    """
    if data is None:
        return DataSize(*_TINY_IMAGENET_SIZE, "no --data given: as if it were Tiny ImageNet")
    path = Path(data)
    if data == TINY_IMAGENET and not path.exists():
        try:
            path = tiny_imagenet(cache, sources)
        except DataError:
            return DataSize(*_TINY_IMAGENET_SIZE, "Tiny ImageNet, which isn't here yet")
    elif data == GENERATED and not path.exists():
        path = sources / GENERATED
        if not path.exists():
            return DataSize(*_GENERATED_SIZE, "the generated data set, not drawn yet")
    return _size_at(path, cache)


def _size_at(path: Path, cache: Path) -> DataSize:
    if is_prepared(path):
        return _prepared_size(open_prepared(path))
    source = open_source(path)
    folder = prepared_folder(source, cache)
    if is_prepared(folder):
        return _prepared_size(open_prepared(folder))
    layout = layout_of(source)
    sizes = (len(layout.classes), len(layout.train), len(layout.val))
    return DataSize(*sizes, f"the names in {path}, not prepared yet")


def _prepared_size(data: PreparedData) -> DataSize:
    return DataSize(data.class_count, len(data.train), len(data.val), f"prepared in {data.folder}")
