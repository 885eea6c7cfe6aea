"""From encoded images to the tensor the engine takes."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE, ImageError, ImageTooLarge, decode_image
from service import metrics
from service.correlation import current
from service.errors import InvalidRequest, TooMuchImage
from service.ipc.messages import Images
from service.tracing import record
from service.web.engine import Engine

# Larger images, or more of them, take long enough to decode that other requests shouldn't wait.
INLINE_PIXELS = 256 * 256
INLINE_IMAGES = 8


class ImageReader:
    """Decodes images within the service's limits.

    Raises TooMuchImage over them and InvalidRequest for what isn't an image; of several images,
    the message says which.
    """

    def __init__(self, engine: Engine, *, max_pixels: int, max_images: int) -> None:
        self._engine = engine
        self._max_pixels = max_pixels
        self.max_images = max_images

    def encoded(self, data: bytes) -> Images:
        """Return one encoded image (JPEG, PNG, …) as uint8 [1, 64, 64, 3]."""
        return self.batch([data])

    def batch(self, images: Sequence[bytes]) -> Images:
        """Return encoded images as uint8 [N, 64, 64, 3], in their order."""
        self.check_count(len(images))
        if len(images) > INLINE_IMAGES:
            return self._engine.in_thread(lambda: self._decode_all(images, self._max_pixels))
        try:
            return self._decode_all(images, min(INLINE_PIXELS, self._max_pixels))
        except TooMuchImage:
            return self._engine.in_thread(lambda: self._decode_all(images, self._max_pixels))

    def base64(self, texts: Sequence[str]) -> Images:
        """Return base64-encoded images; data URLs are taken too."""
        self.check_count(len(texts))
        return self.batch([_from_base64(each, index) for index, each in enumerate(texts)])

    def check_count(self, count: int) -> None:
        """Raise unless a request may have so many images."""
        if not count:
            raise InvalidRequest("expected at least one image")
        if count > self.max_images:
            raise TooMuchImage(
                f"{count:,} images in one request, at most {self.max_images} are allowed"
            )

    def _decode_all(self, images: Sequence[bytes], max_pixels: int) -> Images:
        if len(images) == 1:
            return self._decode(images[0], max_pixels, "")[np.newaxis]
        decoded = np.empty((len(images), *IMAGE_SHAPE), np.uint8)
        for index, data in enumerate(images):
            decoded[index] = self._decode(data, max_pixels, f"image {index}: ")
        return decoded

    def _decode(self, data: bytes, max_pixels: int, which: str) -> NDArray[np.uint8]:
        started_s = time.monotonic()
        try:
            image = decode_image(data, max_pixels=max_pixels)
        except ImageTooLarge as error:
            raise TooMuchImage(f"{which}{error}") from None
        except ImageError as error:
            raise InvalidRequest(f"{which}{error}") from None
        ended_s = time.monotonic()
        metrics.DECODE_SECONDS.observe(ended_s - started_s)
        record(current(), "decode", started_s, ended_s)
        return image


def _from_base64(text: str, index: int) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"image {index} isn't valid base64: {error}") from None
