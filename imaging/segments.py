"""What an image file is made of: segments of JPEG, chunks of PNG, blocks of GIF.

Pillow looks at each of them in Python, which takes microseconds: a file that consists of millions
of empty ones costs as much as a thousand images. Photos and drawings have tens, a large PNG a few
thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

MOST_SEGMENTS = 10_000
# Whatever is in fewer bytes is looked at in a few milliseconds.
SMALL_BYTES = 32 * 1024

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_GIF = b"GIF8"

# Restart markers, start and end of the image, TEM: they stand alone, without a length.
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_START_OF_SCAN = 0xDA
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B


def has_too_many_segments(data: bytes) -> bool:
    """Tell whether a file has more than MOST_SEGMENTS; nothing is decoded.

    A byte where none should be counts as one, since it is looked at like one. Of JPEG and GIF those
    before the (first) image's data count, the rest is not Python's to read; nor is what follows the
    end of a PNG.
    """
    if len(data) < SMALL_BYTES:
        return False
    walk = next((walk for start, walk in _WALKS.items() if data.startswith(start)), None)
    return walk is not None and any(islice(walk(data), MOST_SEGMENTS, None))


def _jpeg_segments(data: bytes) -> Iterator[bool]:
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xFF):
            at += 1
        elif marker == _START_OF_SCAN:
            return
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        yield True


def _png_chunks(data: bytes) -> Iterator[bool]:
    at = len(_PNG)
    while at < len(data) and data[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(data[at : at + 4])
        yield True


def _gif_blocks(data: bytes) -> Iterator[bool]:
    flags = data[10]
    at = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    while at < len(data) and data[at] not in (_FRAME, _TRAILER):
        if data[at] == _EXTENSION:
            at += 2
            while at < len(data) and data[at]:
                at += 1 + data[at]
                yield True
        at += 1
        yield True


_WALKS: dict[bytes, Callable[[bytes], Iterator[bool]]] = {
    _JPEG: _jpeg_segments,
    _PNG: _png_chunks,
    _GIF: _gif_blocks,
}
