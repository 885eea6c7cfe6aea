"""The input tensor: uint8 pixels or BYTES of encoded images, as JSON or as binary data."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec
import numpy as np

from imaging import IMAGE_SHAPE
from service.errors import InvalidRequest
from service.ipc.messages import Images
from service.web.images import ImageReader
from service.web.json_body import decode_json
from service.web.pixels import IMAGE_BYTES, read_tensor
from service.web.served_model import INPUT

PIXELS, ENCODED = "UINT8", "BYTES"

# Every shape and every set of parameters that makes sense is far shorter; what is longer is
# refused before it becomes objects.
SMALL = 4096

_LENGTH = struct.Struct("<I")


class InputParameters(msgspec.Struct):
    """What a client may say about an input; other parameters mean nothing here."""

    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class InputTensor(msgspec.Struct):
    """One of the request's inputs; `data` is missing where it follows as binary data."""

    name: str
    datatype: str
    shape: msgspec.Raw
    parameters: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_shape = msgspec.json.Decoder(list[int]).decode
_decode_parameters = msgspec.json.Decoder(InputParameters | None).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode
_decode_column = msgspec.json.Decoder(list[tuple[str]]).decode


def read_input(tensor: InputTensor, binary: memoryview, reader: ImageReader) -> Images:
    """Return the input's images, uint8 [N, 64, 64, 3].

    `binary` is what follows the JSON in the body. Raises InvalidRequest where name, type, shape
    and data don't fit each other or the model, TooMuchImage for more images than are allowed.
    """
    _check_names(tensor)
    count = _count(tensor, reader)
    parameters = _parameters(tensor)
    size = parameters.binary_data_size
    if size is None:
        if binary:
            raise InvalidRequest(f"{len(binary):,} bytes follow the JSON that no input claims")
        return _from_json(tensor, count, reader)
    if tensor.data is not msgspec.UNSET:
        raise InvalidRequest(f"input {INPUT!r} has both 'data' and 'binary_data_size'")
    if size != len(binary):
        raise InvalidRequest(
            f"input {INPUT!r} says binary_data_size={size}, but {len(binary):,} bytes follow the"
            " JSON; is the header Inference-Header-Content-Length right?"
        )
    if tensor.datatype == ENCODED:
        return reader.batch([bytes(each) for each in _elements(binary, count)])
    return pixels_of(binary, count)


def pixels_of(binary: memoryview, count: int) -> Images:
    """Return `count` images over these very bytes, without copying them."""
    if len(binary) != count * IMAGE_BYTES:
        raise InvalidRequest(
            f"a UINT8 tensor of shape [{count}, 64, 64, 3] has {count * IMAGE_BYTES:,} bytes,"
            f" not {len(binary):,}"
        )
    return np.frombuffer(binary, np.uint8).reshape(count, *IMAGE_SHAPE)


def _check_names(tensor: InputTensor) -> None:
    if tensor.name != INPUT:
        raise InvalidRequest(
            f"unexpected input {tensor.name!r}; the model's one input is {INPUT!r}"
        )
    if tensor.datatype not in (PIXELS, ENCODED):
        raise InvalidRequest(
            f"input {INPUT!r} has datatype {tensor.datatype!r}, but the model takes {PIXELS!r}"
            f" pixels from 0 to 255 (it scales them itself) or {ENCODED!r} of encoded images"
        )


def _count(tensor: InputTensor, reader: ImageReader) -> int:
    """Return how many images the shape announces, after checking the rest of it."""
    shape = decode_json(_decode_shape, small(tensor.shape, "shape"), what="'shape'")
    if tensor.datatype == PIXELS:
        fits, expected = len(shape) == 4 and tuple(shape[1:]) == IMAGE_SHAPE, "[N, 64, 64, 3]"
    else:
        fits, expected = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1), "[N] or [N, 1]"
    if not fits or shape[0] < 1:
        raise InvalidRequest(
            f"input {INPUT!r} of {tensor.datatype} has shape {shape}, expected {expected}"
        )
    reader.check_count(shape[0])
    return shape[0]


def _parameters(tensor: InputTensor) -> InputParameters:
    if not isinstance(tensor.parameters, msgspec.Raw):
        return InputParameters()
    text = small(tensor.parameters, "parameters")
    sent = decode_json(_decode_parameters, text, what="the input's 'parameters'")
    parameters = sent or InputParameters()
    if parameters.shared_memory_region is not None:
        raise InvalidRequest("shared memory isn't offered; send the data in the body")
    return parameters


def _from_json(tensor: InputTensor, count: int, reader: ImageReader) -> Images:
    if not isinstance(tensor.data, msgspec.Raw):
        raise InvalidRequest(f"input {INPUT!r} has neither 'data' nor 'binary_data_size'")
    text = bytes(tensor.data)
    if tensor.datatype == PIXELS:
        return read_tensor(text, count)
    # A pair of quotes each; counted before millions of empty ones fill the memory.
    pairs = text.count(b'"') // 2
    texts = _texts(text) if pairs <= count else []
    if len(texts) != count:
        given = max(pairs, len(texts))
        raise InvalidRequest(f"input {INPUT!r} has {given:,} elements, its shape says {count}")
    return reader.base64(texts)


def _texts(text: bytes) -> list[str]:
    """Return base64 texts, which JSON holds in place of bytes, in a row or a column."""
    what = "'data' (of BYTES: base64 of encoded images)"
    if text[1:].lstrip().startswith(b"["):
        return [each for (each,) in decode_json(_decode_column, text, what=what)]
    return decode_json(_decode_texts, text, what=what)


def _elements(binary: memoryview, count: int) -> Iterator[memoryview]:
    """Yield the elements of a binary BYTES tensor: each has its length before it."""
    start = 0
    for index in range(count):
        if start + _LENGTH.size > len(binary):
            raise InvalidRequest(f"the BYTES tensor ends before element {index} of {count}")
        (length,) = _LENGTH.unpack_from(binary, start)
        start += _LENGTH.size
        if start + length > len(binary):
            raise InvalidRequest(
                f"element {index} of the BYTES tensor says it has {length:,} bytes,"
                f" {len(binary) - start:,} are left"
            )
        yield binary[start : start + length]
        start += length
    if start != len(binary):
        raise InvalidRequest(
            f"{len(binary) - start:,} bytes follow the {count} elements of the BYTES tensor"
        )


def small(raw: msgspec.Raw, name: str) -> bytes:
    """Return a part that is short whenever it makes sense; InvalidRequest when it isn't."""
    text = bytes(raw)
    if len(text) > SMALL:
        raise InvalidRequest(f"{name!r} has {len(text):,} bytes, at most {SMALL:,} are allowed")
    return text
