"""Pixels written as numbers in JSON.

Decoding thousands of nested lists costs more than the model's share of a request, and a body of
brackets alone would fill the memory with lists. So the text is looked at as text: without its
digits it must be the very brackets and commas that the shape has, and without its brackets it is
one flat list of bytes.
"""

from __future__ import annotations

import msgspec
import numpy as np

from imaging import CHANNELS, IMAGE_SHAPE, SIDE
from service.errors import InvalidRequest, TooMuchImage
from service.ipc.messages import Images

IMAGE_BYTES = SIDE * SIDE * CHANNELS

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
# Turns digits into ones and all else into spaces.
_ONES_AND_SPACES = bytes(ord("1" if byte in _DIGITS else " ") for byte in range(256))
_decode_numbers = msgspec.json.Decoder(list[int]).decode


def _nested(part: bytes, times: int) -> bytes:
    return b"[" + b",".join([part] * times) + b"]"


_PIXEL = _nested(b"", CHANNELS)
_IMAGE = _nested(_nested(_PIXEL, SIDE), SIDE)


def read_images(text: bytes, *, most: int) -> Images:
    """Return uint8 [N, 64, 64, 3] from numbers nested in that shape, at most `most` images."""
    pixels = _read(text, most=most)
    if _shape_of(text) != _nested(_IMAGE, len(pixels)):
        raise _misshapen(text, "[N, 64, 64, 3]")
    return pixels


def read_image(text: bytes) -> Images:
    """Return uint8 [1, 64, 64, 3] from numbers nested as [64, 64, 3] or not nested at all."""
    pixels = _read(text, most=1)
    if _shape_of(text) not in (_IMAGE, _nested(b"", IMAGE_BYTES)):
        raise _misshapen(text, "[64, 64, 3]")
    return pixels


def read_tensor(text: bytes, count: int) -> Images:
    """Return uint8 [count, 64, 64, 3] from numbers in that shape, nested or flat."""
    pixels = _read(text, most=count)
    if _shape_of(text) not in (_nested(_IMAGE, count), _nested(b"", count * IMAGE_BYTES)):
        raise _misshapen(text, f"[{count}, 64, 64, 3]")
    return pixels


def _read(text: bytes, *, most: int) -> Images:
    """Return the numbers as images, whatever their brackets say; `text` is valid JSON."""
    numbers = text.translate(None, b"[]" + _SPACE)
    if numbers.translate(None, _DIGITS + b","):
        raise InvalidRequest("pixels are whole numbers from 0 to 255")
    # Counted before they are read, so that a senseless number of them costs nothing.
    images, rest = divmod(numbers.count(b",") + 1, IMAGE_BYTES)
    if rest or not images:
        raise _misshapen(text, "[N, 64, 64, 3]")
    if images > most:
        raise TooMuchImage(f"{images} images are more than the {most} that belong here")
    try:
        values = bytes(_decode_numbers(b"[" + numbers + b"]"))
    except (msgspec.DecodeError, ValueError):
        raise InvalidRequest("pixels are whole numbers from 0 to 255") from None
    return np.frombuffer(values, np.uint8).reshape(images, *IMAGE_SHAPE)


def _shape_of(text: bytes) -> bytes:
    return text.translate(None, _DIGITS + _SPACE)


def _misshapen(text: bytes, expected: str) -> InvalidRequest:
    shape = _shape_of(text)
    depth = len(shape) - len(shape.lstrip(b"["))
    # Where digits begin; millions of numbers are counted without one object each.
    numbers = (b" " + text.translate(_ONES_AND_SPACES)).count(b" 1")
    return InvalidRequest(
        f"expected pixels of shape {expected} (RGB), not {numbers:,} numbers nested {depth} deep"
    )
