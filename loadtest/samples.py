"""The images that are sent: each as it is, in other formats and sizes, and as pixels."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "examples"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MOST = 200
SIDE = 64

# Encodings that keep every pixel, for small images, and sizes that applications really send.
_FORMATS = ("PNG", "WEBP", "GIF", "BMP", "TIFF")
_SIZES = (224, 800)


@dataclass(frozen=True)
class Sample:
    """One image as it is sent; `name` says which one, in which form, for the known answers."""

    name: str
    data: bytes
    is_pixels: bool = False


@dataclass(frozen=True)
class Samples:
    """Encoded images, of which the `plain` are the files as they are, and 64×64 pixels.

    The `mixed` also have other sizes, and every format at least once.
    """

    plain: tuple[Sample, ...]
    mixed: tuple[Sample, ...]
    pixels: tuple[Sample, ...]

    def one_plain(self) -> Sample:
        """Draw one file."""
        return random.choice(self.plain)

    def one_mixed(self) -> Sample:
        """Draw one file, or one in another format or size."""
        return random.choice(self.mixed)

    def some_mixed(self, count: int) -> list[Sample]:
        """Draw several, which may be the same."""
        return random.choices(self.mixed, k=count)

    def some_pixels(self, count: int) -> list[Sample]:
        """Draw several as pixels, which may be the same."""
        return random.choices(self.pixels, k=count)


def read_samples(folder: Path) -> Samples:
    """Read up to 200 images under a folder and prepare their other forms.

    Raises FileNotFoundError if it holds none, ValueError naming a file that is no image.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no images ({', '.join(SUFFIXES)}) under {folder}")
    plain, mixed, pixels = [], [], []
    formats = _shared_out(_FORMATS, min(len(paths), MOST))
    for number, path in enumerate(paths[:MOST]):
        data = path.read_bytes()
        name = str(path.relative_to(folder))
        image = _open(path)
        plain.append(Sample(name, data))
        mixed += [plain[-1], _in_size(name, image, _SIZES[number % len(_SIZES)])]
        small = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BILINEAR)
        mixed += [_in_format(name, small, kind) for kind in formats[number]]
        pixels.append(Sample(f"{name} as pixels", small.tobytes(), is_pixels=True))
    return Samples(tuple(plain), tuple(mixed), tuple(pixels))


def _shared_out(formats: tuple[str, ...], images: int) -> list[list[str]]:
    """Return the formats of each image: one, or more where there are fewer images than formats."""
    given = [formats[number % len(formats)] for number in range(max(images, len(formats)))]
    return [given[number::images] for number in range(images)]


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except OSError as error:
        raise ValueError(f"{path} is not an image: {error}") from error


def _in_format(name: str, image: Image.Image, kind: str) -> Sample:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return Sample(f"{name} as small {kind}", buffer.getvalue())


def _in_size(name: str, image: Image.Image, side: int) -> Sample:
    buffer = io.BytesIO()
    image.resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return Sample(f"{name} at {side}×{side * 3 // 4}", buffer.getvalue())
