"""A smaller data set with as many images a class: every tenth class of Tiny ImageNet.

    python -m benchmarks.some_classes tiny-imagenet-200.tar.gz data/twenty-classes [--every 10]

What a recipe does against learning by heart shows only after several passes over the data. Twenty
classes see as many passes as two hundred in a tenth of the time, so recipes can be compared by
more than their first minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.data.layout import ANNOTATIONS, LISTS, WNIDS, WORDS
from training.data.source import open_source
from training.errors import TrainingError


def write_some_classes(archive: Path, folder: Path, *, every: int) -> int:
    """Write each `every`th class of `wnids.txt` into a new folder; return how many they are.

    Raises DataError when the data set can't be read, FileExistsError when the folder is there.
    """
    source = open_source(archive)
    names = source.names()
    texts = {name: content.decode() for name, content in source.read(LISTS)}
    wnids = texts[WNIDS].split()[::every]
    chosen = set(wnids)
    fields = [line.split("\t") for line in texts[ANNOTATIONS].splitlines()]
    labelled = [(image, wnid) for image, wnid, *_ in fields if wnid in chosen]
    validation = {f"val/images/{image}" for image, _ in labelled}
    wanted = {
        name
        for name in names
        if name in validation or (name.startswith("train/") and name.split("/")[1] in chosen)
    }
    folder.mkdir(parents=True)
    for name, content in source.read(wanted):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [f"{image}\t{wnid}\n" for image, wnid in labelled]
    (folder / ANNOTATIONS).write_text("".join(lines))
    (folder / WORDS).write_text(texts[WORDS])
    # What marks a data set is written last, so that half a one isn't taken for a whole.
    (folder / WNIDS).write_text("\n".join(wnids) + "\n")
    return len(wnids)


def main() -> int:
    """Write the folder and say what is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path, help="tiny-imagenet-200: .zip, .tar.gz or folder")
    parser.add_argument("folder", type=Path, help="where to write; must not exist")
    parser.add_argument("--every", type=int, default=10, help="one class of so many (default: 10)")
    options = parser.parse_args()
    try:
        classes = write_some_classes(options.archive, options.folder, every=options.every)
    except FileExistsError:
        parser.error(f"{options.folder} exists already")
    except TrainingError as error:
        parser.error(str(error))
    print(f"{options.folder}: {classes} classes of {options.archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
