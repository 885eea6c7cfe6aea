"""What the standard folder says: classes, and which image belongs to which of them.

Pure: names and the text of the lists go in, a `Layout` or a DataError comes out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import msgspec

from training.errors import DataError

WNIDS = "wnids.txt"
WORDS = "words.txt"
ANNOTATIONS = "val/val_annotations.txt"
LISTS = (WNIDS, WORDS, ANNOTATIONS)

WNID = re.compile(r"n\d{8}")
_TRAIN = re.compile(r"train/([^/]+)/images/([^/]+)")
_VAL = re.compile(r"val/images/([^/]+)")
_IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
_SHOWN_PROBLEMS = 3


class ClassName(msgspec.Struct, frozen=True):
    """One class: its WordNet id, the name people read, and all names `words.txt` gives it."""

    wnid: str
    label: str
    names: str


class Layout(msgspec.Struct, frozen=True):
    """The classes in output order and the images of both splits, each with its class's index."""

    classes: tuple[ClassName, ...]
    train: tuple[tuple[str, int], ...]
    val: tuple[tuple[str, int], ...]


def read_layout(names: list[str], texts: Mapping[str, str]) -> Layout:
    """Return the layout of a data set that holds `names`, with `texts` of the three lists.

    Classes are in the order of `wnids.txt`; training images by class and then by number;
    validation images in the order of the annotations. Raises DataError naming the files at fault.
    """
    for name in LISTS:
        if name not in texts:
            raise DataError(f"{name} is missing")
    classes = _classes(texts[WNIDS], texts[WORDS])
    index = {item.wnid: position for position, item in enumerate(classes)}
    return Layout(
        classes=classes,
        train=_train_images(names, index),
        val=_val_images(names, texts[ANNOTATIONS], index),
    )


def _classes(wnids_text: str, words_text: str) -> tuple[ClassName, ...]:
    wnids = wnids_text.split()
    bad = [wnid for wnid in wnids if not WNID.fullmatch(wnid)]
    _refuse(bad, f"{WNIDS}: not a WordNet id (n and eight digits)")
    if len(wnids) < 2:
        raise DataError(f"{WNIDS}: names {len(wnids)} classes, at least 2 are needed")
    if len(set(wnids)) != len(wnids):
        _refuse([wnid for wnid in set(wnids) if wnids.count(wnid) > 1], f"{WNIDS}: named twice")
    words = dict(line.split("\t", 1) for line in words_text.splitlines() if "\t" in line)
    _refuse([wnid for wnid in wnids if wnid not in words], f"{WORDS}: has no name for")
    return tuple(
        ClassName(wnid=wnid, label=words[wnid].split(",")[0].strip(), names=words[wnid].strip())
        for wnid in wnids
    )


def _train_images(names: list[str], index: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = _TRAIN.fullmatch(name)
        if match and _is_image(name):
            found[match[1]].append(name)
    unknown = [f"train/{wnid}" for wnid in sorted(found) if wnid not in index]
    _refuse(unknown, f"class folders that {WNIDS} doesn't name")
    empty = [f"train/{wnid}/images" for wnid in index if wnid not in found]
    _refuse(empty, "class folders without images")
    return tuple(
        (name, label) for wnid, label in index.items() for name in sorted(found[wnid], key=_natural)
    )


def _val_images(
    names: list[str], annotations: str, index: Mapping[str, int]
) -> tuple[tuple[str, int], ...]:
    present = {match[1] for name in names if (match := _VAL.fullmatch(name)) and _is_image(name)}
    labels: dict[str, int] = {}
    for number, line in enumerate(annotations.splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("\t")
        where = f"{ANNOTATIONS}, line {number}"
        if len(fields) < 2:
            raise DataError(f"{where}: expected an image's name, a tab and a WordNet id")
        if fields[1] not in index:
            raise DataError(f"{where}: {fields[0]} is of {fields[1]}, which {WNIDS} doesn't name")
        if fields[0] in labels:
            raise DataError(f"{where}: {fields[0]} is annotated twice")
        labels[fields[0]] = index[fields[1]]
    if not labels:
        raise DataError(f"{ANNOTATIONS}: names no validation image")
    missing = [f"val/images/{name}" for name in labels if name not in present]
    _refuse(missing, f"{ANNOTATIONS} names images that don't exist")
    unlabelled = [f"val/images/{name}" for name in sorted(present, key=_natural)]
    unlabelled = [name for name in unlabelled if name.rsplit("/", 1)[1] not in labels]
    _refuse(unlabelled, f"{ANNOTATIONS} has no line for")
    return tuple((f"val/images/{name}", label) for name, label in labels.items())


def _is_image(name: str) -> bool:
    return name.lower().endswith(_IMAGE_SUFFIXES)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort `x_9` before `x_10`."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _refuse(items: list[str], problem: str) -> None:
    if not items:
        return
    shown = ", ".join(items[:_SHOWN_PROBLEMS])
    more = len(items) - _SHOWN_PROBLEMS
    raise DataError(f"{problem}: {shown}" + (f" and {more} more" if more > 0 else ""))
