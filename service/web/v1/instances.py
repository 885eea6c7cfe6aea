"""One image of a row or an example: encoded bytes as {"b64": …} or pixels as numbers."""

from __future__ import annotations

import msgspec
import numpy as np

from service.errors import InvalidRequest, TooMuchImage
from service.ipc.messages import Images
from service.web.images import ImageReader
from service.web.json_body import decode_json
from service.web.pixels import read_image, read_images

FORMS = 'images as {"b64": "…"} of encoded images or as [64][64][3] whole numbers from 0 to 255'


class Instance(msgspec.Struct, forbid_unknown_fields=True):
    """{"b64": …}, or {"image": …} around that or around numbers."""

    b64: str | msgspec.UnsetType = msgspec.UNSET
    image: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_empty(self) -> bool:
        """Whether it names no image at all."""
        return self.b64 is msgspec.UNSET and self.image is msgspec.UNSET


class _Binary(msgspec.Struct, forbid_unknown_fields=True):
    b64: str


_decode_instances = msgspec.json.Decoder(list[Instance]).decode
_decode_binary = msgspec.json.Decoder(_Binary).decode


def read_batch(text: bytes, reader: ImageReader, *, what: str) -> Images:
    """Return a JSON list of images, all encoded or all numbers, as one tensor."""
    if not text.startswith(b"["):
        raise InvalidRequest(f"{what} is a list of {FORMS}")
    if b'"' in text or b"{" in text:
        return read_instances(decode_instances(text, reader, what=what), reader)
    if len(text.strip(b"[] \t\r\n")) == 0:
        raise InvalidRequest(f"{what} needs at least one image")
    return read_images(text, most=reader.max_images)


def decode_instances(text: bytes, reader: ImageReader, *, what: str) -> list[Instance]:
    """Return a JSON list of objects that hold one image each, no more than a request may have."""
    # An instance has at most two braces; counted before millions of empty ones fill the memory.
    if text.count(b"{") > 2 * reader.max_images:
        raise TooMuchImage(f"more than {reader.max_images} images in one request")
    instances = decode_json(_decode_instances, text, what=what, expected=FORMS)
    reader.check_count(len(instances))
    return instances


def read_instances(instances: list[Instance], reader: ImageReader) -> Images:
    """Return the images of the instances as one tensor; they are all of one kind."""
    if any((each.b64 is msgspec.UNSET) == (each.image is msgspec.UNSET) for each in instances):
        raise InvalidRequest(f"expected {FORMS}")
    pixels = [each.image for each in instances if _is_numbers(each)]
    if len(pixels) == len(instances):
        return np.concatenate([read_image(bytes(each)) for each in pixels])  # type: ignore[arg-type]
    if pixels:
        raise InvalidRequest("the images are of two kinds; send one kind in a request")
    return reader.base64([_encoded(each) for each in instances])


def _is_numbers(instance: Instance) -> bool:
    image = instance.image
    return isinstance(image, msgspec.Raw) and bytes(image).startswith(b"[")


def _encoded(instance: Instance) -> str:
    if isinstance(instance.image, msgspec.Raw):
        return decode_json(
            _decode_binary, bytes(instance.image), what="an image", expected=FORMS
        ).b64
    assert isinstance(instance.b64, str)  # noqa: S101 - one of the two is given
    return instance.b64
