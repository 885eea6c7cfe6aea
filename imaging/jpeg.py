"""What is particular to JPEG: its scans, and the short way for one that is plain and 64×64 already.

Such a plain one is the most common image there is. simplejpeg calls the same library as Pillow
(libjpeg-turbo) with the same exact transform, so pixels are the same, at a third of the cost.
Whatever isn't plain takes the long way, with all its rules.
"""

from __future__ import annotations

import re

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_JPEG = b"\xff\xd8\xff"
# How EXIF begins; it may turn the image.
_EXIF = b"Exif\0"
_PLAIN = ("YCbCr", "Gray")

# A progressive JPEG has about ten; each takes another walk over all of the image, however few bytes
# it has.
MOST_SCANS = 100

_START_OF_SCAN = b"\xff\xda"
# Begins a segment, which has its length next, or ends the image; not a data byte of 255 (00),
# padding (FF) or a marker without content.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_SCAN, _END = b"\xda", b"\xd9"


def has_too_many_scans(data: bytes) -> bool:
    """Whether these are bytes of a JPEG with more than MOST_SCANS scans; nothing is decoded."""
    if not data.startswith(_JPEG) or data.count(_START_OF_SCAN) <= MOST_SCANS:
        return False
    # Thumbnails, profiles and what follows the image, such as the film of a "live" photo, may have
    # these two bytes as well, so only those count that stand where a decoder meets them.
    scans = 0
    marker = _MARKER.search(data)
    while marker is not None and marker[1] != _END and scans <= MOST_SCANS:
        scans += marker[1] == _SCAN
        after = marker.end()
        marker = _MARKER.search(data, after + int.from_bytes(data[after : after + 2]))
    return scans > MOST_SCANS


def decode_plain_jpeg(data: bytes, side: int) -> NDArray[np.uint8] | None:
    """Return a plain JPEG of side×side pixels as uint8 [side, side, 3] in RGB, else None.

    None also for a damaged one: what is wrong with it is the long way's to say.
    """
    if not data.startswith(_JPEG) or _EXIF in data:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if (height, width) != (side, side) or colours not in _PLAIN:
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None
    return pixels
