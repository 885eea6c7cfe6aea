"""What is sent: JPEGs one by one, and 16 images a request as a binary tensor."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.serving.load import Bodies, write_bodies

COUNT = 200
SIDE = 64


def image_bodies(folder: Path, images: Path | None) -> Bodies:
    """Return requests of one JPEG each: the first of a folder's, or drawn ones."""
    if images is None:
        jpegs = [_drawn(seed) for seed in range(COUNT)]
    else:
        jpegs = [path.read_bytes() for path in sorted(images.iterdir())[:COUNT]]
    return write_bodies(folder, jpegs, path="/predict", headers={"Content-Type": "image/jpeg"})


def tensor_bodies(folder: Path, *, images_each: int) -> Bodies:
    """Return requests of several images each, as the bytes of one tensor: what peers take."""
    return write_bodies(
        folder,
        _tensors(images_each),
        path="/predict",
        headers={"Content-Type": "application/octet-stream"},
        images_each=images_each,
    )


def protocol_bodies(folder: Path, *, images_each: int) -> Bodies:
    """Return the same as binary tensors of the Open Inference Protocol: what Hotshelf takes."""
    tensors = _tensors(images_each)
    shape = (images_each, SIDE, SIDE, 3)
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "datatype": "UINT8",
                    "shape": shape,
                    "parameters": {"binary_data_size": len(tensors[0])},
                }
            ],
            "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
        }
    ).encode()
    return write_bodies(
        folder,
        [header + each for each in tensors],
        path="/v2/models/resnet50/infer",
        headers={
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(header)),
        },
        images_each=images_each,
    )


def _tensors(images_each: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    shape = (images_each, SIDE, SIDE, 3)
    return [rng.integers(0, 256, shape, dtype=np.uint8).tobytes() for _ in range(8)]


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
