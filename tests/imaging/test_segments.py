"""Files of millions of pieces are refused, those that people have aren't."""

from __future__ import annotations

import io
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from imaging import ImageError, decode_image
from imaging.segments import MOST_SEGMENTS, has_too_many_segments

MOST_S = 1.0
GIF_START = 13 + 3 * 256


def encoded(kind: str, side: int = 80, **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def stuffed(kind: str, piece: bytes, *, after: int, count: int) -> bytes:
    """Return an image with so many pieces put in after that byte, or before it from the end."""
    data = encoded(kind)
    at = after % len(data)
    return data[:at] + piece * count + data[at:]


PIECES = [
    ("JPEG", b"\xff\xe5\x00\x02", 2),
    ("JPEG", b"\xff\xe1\x00\x02", 2),
    ("JPEG", b"\xff\xfe\x00\x02", 2),
    ("JPEG", b"\xff\xdd\x00\x04\x00\x00", 2),
    ("JPEG", b"\xff", 2),
    ("JPEG", b"\x00", 20),
    ("PNG", chunk(b"abCd"), 33),
    ("PNG", chunk(b"tEXt", b"a\0b"), 33),
    ("PNG", chunk(b"IDAT"), 33),
    ("PNG", chunk(b"abCd"), -12),
    ("GIF", b"\x21\xfe\x01a\x00", GIF_START),
    ("GIF", b"\x00", GIF_START),
]


@pytest.mark.parametrize(("kind", "piece", "after"), PIECES)
def test_a_file_of_millions_of_pieces_is_refused_at_once(
    kind: str, piece: bytes, after: int
) -> None:
    data = stuffed(kind, piece, after=after, count=10_000_000 // len(piece))
    started = time.process_time()
    with pytest.raises(ImageError, match="10,000 segments"):
        decode_image(data)
    assert time.process_time() - started < MOST_S


@pytest.mark.parametrize(("kind", "piece", "after"), PIECES)
def test_a_file_of_a_thousand_pieces_is_taken(kind: str, piece: bytes, after: int) -> None:
    data = stuffed(kind, piece, after=after, count=1000) + bytes(40_000)
    assert (decode_image(data) == decode_image(encoded(kind))).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_whatever_follows_the_image_is_nobodys_matter(kind: str) -> None:
    data = encoded(kind)
    assert (decode_image(data + bytes(10_000_000)) == decode_image(data)).all()


def test_one_comment_of_many_blocks_is_refused_too() -> None:
    data = stuffed("GIF", b"\x01a", after=GIF_START, count=5_000_000)
    data = data[:GIF_START] + b"\x21\xfe" + data[GIF_START:]
    assert has_too_many_segments(data)


def test_large_images_as_programs_write_them_are_taken() -> None:
    described = PngImagePlugin.PngInfo()
    for n in range(200):
        described.add_text(f"key {n}", "value")
    large = [
        encoded("PNG", 2000, pnginfo=described),
        encoded("JPEG", 2000, quality=100, icc_profile=bytes(3_000_000), exif=bytes(60_000)),
        encoded("JPEG", 2000, progressive=True),
        encoded("GIF", 1500, comment=bytes(100_000)),
        encoded("WEBP", 500),
        encoded("TIFF", 500),
        encoded("BMP", 500),
    ]
    assert max(map(len, large)) > 10_000_000
    assert not any(map(has_too_many_segments, large))


@pytest.mark.parametrize("length", [40_000, 200_000])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_files_that_end_anywhere_are_looked_at_to_their_end(kind: str, length: int) -> None:
    start = encoded(kind)[:30]
    noise = np.random.default_rng(1).bytes(length)
    has_too_many_segments(start + noise)
    for end in range(1, 6):
        has_too_many_segments(start + noise[:-end])


def test_the_bound_is_the_bound() -> None:
    start = encoded("PNG")[:8]
    filler = chunk(b"abCd", bytes(100))
    assert not has_too_many_segments(start + filler * MOST_SEGMENTS)
    assert has_too_many_segments(start + filler * (MOST_SEGMENTS + 1))
