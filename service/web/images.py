"""From what a request carries to the tensor the engine takes."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from imaging import IMAGE_SHAPE, ImageError, ImageTooLarge, decode_image
from service.errors import InvalidRequest, PayloadTooLarge
from service.ipc.messages import Images
from service.web.engine import Engine

# Larger images take long enough to decode that other requests shouldn't wait for it.
INLINE_PIXELS = 256 * 256


class ImageReader:
    """Decodes images within the service's limits; raises InvalidRequest for what isn't one."""

    def __init__(self, engine: Engine, *, max_pixels: int, max_images: int) -> None:
        self._engine = engine
        self._max_pixels = max_pixels
        self._max_images = max_images

    def encoded(self, data: bytes) -> Images:
        """Return one encoded image (JPEG, PNG, …) as uint8 [1, 64, 64, 3]."""
        try:
            return self._decode(data)[np.newaxis]
        except ImageTooLarge as error:
            raise PayloadTooLarge(str(error)) from None
        except ImageError as error:
            raise InvalidRequest(str(error)) from None

    def base64(self, text: object) -> Images:
        """Return one base64-encoded image; a data URL is taken too."""
        if not isinstance(text, str):
            raise InvalidRequest("an image in JSON is a string of base64")
        if text.startswith("data:"):
            text = text.partition(",")[2]
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest(f"the image isn't valid base64: {error}") from None
        return self.encoded(data)

    def instances(self, values: object) -> Images:
        """Return a list of images, each {"b64": …} or nested [64][64][3] numbers, as one batch."""
        if not isinstance(values, list) or not values:
            raise InvalidRequest("expected a list with at least one image")
        if len(values) > self._max_images:
            raise PayloadTooLarge(
                f"{len(values)} images in one request, at most {self._max_images} are allowed"
            )
        if isinstance(values[0], dict):
            return np.concatenate([self._encoded_instance(each) for each in values])
        return _pixels(values)

    def _encoded_instance(self, value: Any) -> Images:
        if not isinstance(value, dict) or set(value) != {"b64"}:
            raise InvalidRequest('an image is {"b64": "…"} or 64×64×3 numbers, all alike')
        return self.base64(value["b64"])

    def _decode(self, data: bytes) -> Images:
        try:
            return decode_image(data, max_pixels=min(INLINE_PIXELS, self._max_pixels))
        except ImageTooLarge:
            return self._engine.in_thread(lambda: decode_image(data, max_pixels=self._max_pixels))


def _pixels(values: list[Any]) -> Images:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidRequest("the images' numbers form no regular array") from None
    if array.shape[1:] != IMAGE_SHAPE:
        raise InvalidRequest(
            f"the images have shape {list(array.shape)}, expected [N, 64, 64, 3] (RGB)"
        )
    if array.dtype.kind != "i" or array.min() < 0 or array.max() > 255:
        raise InvalidRequest("pixels are whole numbers from 0 to 255")
    return array.astype(np.uint8)
