"""A prepared data set: memory-mapped uint8 images, labels, class names and a digest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from training.data.layout import ClassName
from training.errors import DataError

FORMAT = 1
FACTS = "prepared.json"

SplitName = Literal["train", "val"]


class Facts(msgspec.Struct, frozen=True):
    """What `prepared.json` says; it is the last file written, so having it means complete."""

    format: int
    digest: str
    source: str
    train_images: int
    val_images: int
    classes: tuple[ClassName, ...]


class Split(msgspec.Struct, frozen=True):
    """Images uint8 [N, 64, 64, 3], memory-mapped and read-only; labels int32 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)


class PreparedData(msgspec.Struct, frozen=True):
    """Both splits, the classes in output order and the SHA-256 over the whole content."""

    folder: Path
    digest: str
    classes: tuple[ClassName, ...]
    train: Split
    val: Split

    @property
    def class_count(self) -> int:
        """Return the number of classes, which is the number of the model's outputs."""
        return len(self.classes)


def is_prepared(folder: Path) -> bool:
    """Return whether `folder` holds a complete prepared data set."""
    return (folder / FACTS).is_file()


def image_file(folder: Path, split: SplitName) -> Path:
    """Return where a split's images are: a .npy file, uint8 [N, 64, 64, 3]."""
    return folder / f"{split}_images.npy"


def label_file(folder: Path, split: SplitName) -> Path:
    """Return where a split's labels are: a .npy file, int32 [N]."""
    return folder / f"{split}_labels.npy"


def open_prepared(folder: Path) -> PreparedData:
    """Map the prepared data set in `folder`; takes milliseconds and reads no image.

    Raises DataError when it is missing, damaged or of another format.
    """
    facts = _read_facts(folder)
    if facts.format != FORMAT:
        raise DataError(
            f"{folder}: prepared in format {facts.format}, this version reads {FORMAT}; "
            "delete the folder and start again"
        )
    return PreparedData(
        folder=folder,
        digest=facts.digest,
        classes=facts.classes,
        train=_open_split(folder, "train", facts.train_images),
        val=_open_split(folder, "val", facts.val_images),
    )


def _read_facts(folder: Path) -> Facts:
    try:
        return msgspec.json.decode((folder / FACTS).read_bytes(), type=Facts)
    except FileNotFoundError:
        raise DataError(f"{folder}: not a prepared data set ({FACTS} is missing)") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"{folder / FACTS}: {error}") from None


def _open_split(folder: Path, split: SplitName, count: int) -> Split:
    try:
        images = np.load(image_file(folder, split), mmap_mode="r")
        labels = np.load(label_file(folder, split))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{folder}: the {split} arrays are damaged ({error}); delete the folder and start again"
        ) from None
    if images.shape != (count, *IMAGE_SHAPE) or labels.shape != (count,):
        raise DataError(f"{folder}: the {split} arrays don't hold the {count} images announced")
    return Split(images=images, labels=labels)
