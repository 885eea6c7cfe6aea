"""The images that are sent."""

from __future__ import annotations

from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "examples"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MOST = 1000


def read_images(folder: Path) -> list[bytes]:
    """Return up to 1,000 encoded images found under a folder, in the order of their names.

    Raises FileNotFoundError, naming the folder, if it holds none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no images ({', '.join(SUFFIXES)}) under {folder}")
    return [path.read_bytes() for path in paths[:MOST]]
