"""What is sent: JPEGs one by one, and 16 images a request as a uint8 tensor."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.serving.forms import BULK_IMAGES, BULK_SHAPE, PLAIN, SIDE, Form
from benchmarks.serving.load import Bodies, write_bodies

COUNT = 200
BULK_COUNT = 8


def image_bodies(folder: Path, images: Path | None, form: Form = PLAIN.jpeg) -> Bodies:
    """Write requests of one JPEG each: the first of a folder's, or drawn ones."""
    if images is None:
        jpegs = [_drawn(seed) for seed in range(COUNT)]
    else:
        jpegs = [path.read_bytes() for path in sorted(images.iterdir())[:COUNT]]
    return write_bodies(folder, jpegs, form)


def bulk_bodies(folder: Path, form: Form) -> Bodies:
    """Write requests of 16 images each, random pixels, as one tensor."""
    rng = np.random.default_rng(0)
    tensors = (rng.integers(0, 256, BULK_SHAPE, dtype=np.uint8) for _ in range(BULK_COUNT))
    return write_bodies(folder, [each.tobytes() for each in tensors], form, images_each=BULK_IMAGES)


def _drawn(seed: int) -> bytes:
    """Return a JPEG of some coloured discs, softened as photos are (about 2 kB)."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(6, 16)):
        x, y, radius = rng.integers(0, SIDE), rng.integers(0, SIDE), rng.integers(3, 20)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse([int(each) for each in box], fill=tuple(rng.integers(0, 256, 3).tolist()))
    noise = rng.normal(0, 12, (SIDE, SIDE, 3))
    noisy = np.clip(np.asarray(image.filter(ImageFilter.GaussianBlur(0.7))) + noise, 0, 255)
    encoded = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(encoded, "JPEG", quality=80)
    return encoded.getvalue()
