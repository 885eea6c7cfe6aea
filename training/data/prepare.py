"""Decode a data set once into arrays that every later start maps in milliseconds."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE, ImageError, decode_image
from training.data.layout import LISTS, Layout, read_layout
from training.data.prepared import (
    FACTS,
    FORMAT,
    Facts,
    PreparedData,
    SplitName,
    image_file,
    is_prepared,
    label_file,
    open_prepared,
)
from training.data.source import Source, open_source
from training.errors import DataError
from training.progress import Bars
from training.run.locking import lock

_HASHED_IMAGES = 1024


def prepare(path: Path, cache: Path, bars: Bars, *, refresh: bool = False) -> PreparedData:
    """Return the data set at `path` (folder, archive or prepared folder), prepared in `cache`.

    Decodes every image unless `cache` already has them. Written beside and renamed at the end:
    a preparation that is killed leaves nothing that looks finished. Raises DataError, naming the
    file, for whatever is missing, damaged or contradictory.
    """
    if is_prepared(path):
        return open_prepared(path)
    source = open_source(path)
    folder = prepared_folder(source, cache)
    if is_prepared(folder) and not refresh:
        return open_prepared(folder)
    with lock(cache / f"{folder.name}.lock", wait=True):
        if not is_prepared(folder) or refresh:
            _prepare_into(folder, source, bars)
    return open_prepared(folder)


def prepared_folder(source: Source, cache: Path) -> Path:
    """Return where a source's prepared data set is, or will be."""
    return cache / f"prepared-{source.identity()}"


def _prepare_into(folder: Path, source: Source, bars: Bars) -> None:
    layout = layout_of(source)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed preparation left
    partial.mkdir()
    try:
        _write(source, layout, partial, bars)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def layout_of(source: Source) -> Layout:
    """Return what a source holds, by its names and lists alone. Raises DataError."""
    names = source.names()
    lists = [name for name in LISTS if name in set(names)]
    try:
        texts = {name: content.decode("utf-8") for name, content in source.read(lists)}
        return read_layout(names, texts)
    except UnicodeDecodeError:
        raise DataError(f"{source.path}: a list isn't UTF-8 text") from None
    except DataError as error:
        raise DataError(f"{source.path}: {error}") from None


def _write(source: Source, layout: Layout, folder: Path, bars: Bars) -> None:
    splits: dict[SplitName, tuple[tuple[str, int], ...]] = {
        "train": layout.train,
        "val": layout.val,
    }
    places: dict[str, tuple[NDArray[np.uint8], int]] = {}
    arrays: dict[SplitName, NDArray[np.uint8]] = {}
    for split, items in splits.items():
        shape = (len(items), *IMAGE_SHAPE)
        target = image_file(folder, split)
        arrays[split] = np.lib.format.open_memmap(target, "w+", np.uint8, shape)
        places |= {name: (arrays[split], row) for row, (name, _) in enumerate(items)}
        labels = np.array([label for _, label in items], np.int32)
        np.save(label_file(folder, split), labels)
    _decode(source, places, bars)
    facts = Facts(
        format=FORMAT,
        digest=_digest(layout, arrays),
        source=source.path.name,
        train_images=len(layout.train),
        val_images=len(layout.val),
        classes=layout.classes,
    )
    for array in arrays.values():
        if isinstance(array, np.memmap):
            array.flush()
    _write_durably(folder / FACTS, msgspec.json.format(msgspec.json.encode(facts)))


def _decode(source: Source, places: dict[str, tuple[NDArray[np.uint8], int]], bars: Bars) -> None:
    missing = set(places)
    with bars.open("preparing images", total=len(places), unit="images") as bar:
        for name, content in source.read(places):
            array, row = places[name]
            try:
                array[row] = decode_image(content)
            except ImageError as error:
                raise DataError(f"{source.path}: {name}: {error}") from None
            missing.discard(name)
            bar.advance()
    if missing:
        raise DataError(f"{source.path}: {min(missing)} could not be read")


def _digest(layout: Layout, arrays: dict[SplitName, NDArray[np.uint8]]) -> str:
    """SHA-256 over class names, labels and pixels: the same for folder, .zip and .tar.gz."""
    digest = hashlib.sha256(msgspec.json.encode(layout.classes))
    splits: dict[SplitName, tuple[tuple[str, int], ...]] = {
        "train": layout.train,
        "val": layout.val,
    }
    for split, items in splits.items():
        digest.update(split.encode())
        digest.update(np.array([label for _, label in items], "<i4").tobytes())
        for start in range(0, len(items), _HASHED_IMAGES):
            digest.update(arrays[split][start : start + _HASHED_IMAGES].tobytes())
    return digest.hexdigest()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
