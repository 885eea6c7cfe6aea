"""From encoded images to the tensor the engine takes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from service.errors import InvalidRequest, TooMuchImage
from service.ipc.messages import Images
from service.web.decoding import Decoding
from service.web.engine import Engine

# More images, however small, take long enough to decode that other requests shouldn't wait.
INLINE_IMAGES = 8
# The images of a request may have the pixels of so many of the largest together.
LARGEST_IMAGES = 4


class ImageReader:
    """Decodes images within the service's limits.

    Raises TooMuchImage over them and InvalidRequest for what isn't an image; of several images,
    the message says which. Raises DeadlineExceeded once the request's time is over, and Overloaded
    where too many images wait already.
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
        decoding = Decoding(
            images, max_pixels=self._max_pixels, all_pixels=LARGEST_IMAGES * self._max_pixels
        )
        if len(images) <= INLINE_IMAGES:
            decoding.go_on()
        if decoding.left:
            return self._engine.decode(decoding.finish, images=decoding.left)
        return decoding.finish()

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


def _from_base64(text: str, index: int) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"image {index} isn't valid base64: {error}") from None
