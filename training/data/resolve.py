"""From what `--data` says to a prepared data set."""

from __future__ import annotations

from pathlib import Path

from training.data.generate import GeneratedSize, generate
from training.data.prepare import prepare
from training.data.prepared import PreparedData, is_prepared, open_prepared
from training.errors import DataError
from training.progress import Bars
from training.run.locking import lock

TINY_IMAGENET = "tiny-imagenet-200"
GENERATED = "generated"

# Where sources lie: kept when caches are removed.
SOURCES = Path("data")
_SUFFIXES = ("", ".zip", ".tar.gz")


def resolve(data: str | None, cache: Path, bars: Bars, *, sources: Path = SOURCES) -> PreparedData:
    """Return the prepared data set that `data` means, preparing or drawing it where needed.

    A path is taken as it is. `tiny-imagenet-200` is what `python -m training data` prepared, or
    the archive or folder of that name in `data/`. `generated` is drawn once into `data/generated`.
    Raises DataError when there is nothing to take.
    """
    if data is None:
        raise DataError("no data: give --data PATH, --data generated or --preset NAME")
    if data == TINY_IMAGENET and not Path(data).exists():
        return prepare(tiny_imagenet(cache, sources), cache, bars)
    if data == GENERATED and not Path(data).exists():
        folder = sources / GENERATED
        # The ranks of a run all want it at once.
        with lock(sources / f".{GENERATED}.lock", wait=True):
            if not folder.exists():
                generate(folder, GeneratedSize(), bars)
        return prepare(folder, cache, bars)
    return prepare(Path(data), cache, bars)


def find(digest: str, cache: Path) -> PreparedData:
    """Return the prepared data set of this digest. Raises DataError when the cache has none."""
    for folder in sorted(cache.glob("prepared-*")):
        if not is_prepared(folder):
            continue
        try:
            data = open_prepared(folder)
        except DataError:
            continue  # damaged, or of another version
        if data.digest == digest:
            return data
    raise DataError(f"{cache} has no data of digest {digest[:12]}; name it with --data")


def remember(prepared: PreparedData, cache: Path) -> None:
    """Let the name tiny-imagenet-200 mean this prepared data set from now on."""
    link = cache / TINY_IMAGENET
    partial = cache / f"{TINY_IMAGENET}.partial"
    partial.unlink(missing_ok=True)
    partial.symlink_to(prepared.folder.resolve())
    partial.replace(link)


def tiny_imagenet(cache: Path, sources: Path = SOURCES) -> Path:
    """Return where Tiny ImageNet is: prepared, or its archive or folder. Raises DataError."""
    link = cache / TINY_IMAGENET
    if is_prepared(link):
        return link
    for suffix in _SUFFIXES:
        candidate = sources / f"{TINY_IMAGENET}{suffix}"
        if candidate.exists():
            return candidate
    raise DataError(
        "Tiny ImageNet isn't here yet: `make data` downloads it (237 MB), "
        "`make data DATA=path` takes a local copy"
    )
