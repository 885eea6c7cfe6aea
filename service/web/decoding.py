"""The encoded images of one request on their way to a tensor."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE, ImageError, ImageTooLarge, decode_counting
from service import metrics
from service.correlation import current
from service.errors import DeadlineExceeded, InvalidRequest, TooMuchImage
from service.ipc.messages import Images
from service.tracing import record
from service.web.deadline import deadline

# Larger images take long enough to decode that other requests shouldn't wait; and longer files to
# read, whatever size they announce.
SMALL_PIXELS = 256 * 256
SMALL_BYTES = 64 * 1024


class Decoding:
    """Decodes images one after another, each once; what `go_on` leaves, `finish` goes on with.

    An image may have `max_pixels`, all together `all_pixels`. Raises TooMuchImage above that,
    InvalidRequest for what isn't an image (of several, the message says which), and
    DeadlineExceeded when the request's time is over before the last one.
    """

    def __init__(self, encoded: Sequence[bytes], *, max_pixels: int, all_pixels: int) -> None:
        self._encoded = encoded
        self._max_pixels = max_pixels
        self._all_pixels = all_pixels
        self._pixels_left = all_pixels
        self._decoded = np.empty((len(encoded), *IMAGE_SHAPE), np.uint8)
        self._next = 0

    @property
    def left(self) -> int:
        """How many images are still to be decoded."""
        return len(self._encoded) - self._next

    def go_on(self) -> None:
        """Decode images up to the first that isn't small."""
        while self.left and len(self._encoded[self._next]) <= SMALL_BYTES:
            try:
                self._decode(min(SMALL_PIXELS, self._most()))
            except ImageTooLarge:
                return

    def finish(self) -> Images:
        """Decode what is left and return uint8 [N, 64, 64, 3]."""
        while self.left:
            try:
                self._decode(self._most())
            except ImageTooLarge as error:
                raise TooMuchImage(f"{self._which()}{error}{self._why()}") from None
        return self._decoded

    def _most(self) -> int:
        return min(self._max_pixels, self._pixels_left)

    def _decode(self, max_pixels: int) -> None:
        started_s = time.monotonic()
        if started_s >= deadline():
            raise DeadlineExceeded(
                f"no answer in time: {self.left} of {len(self._encoded)} images weren't decoded yet"
            )
        try:
            image, pixels = decode_counting(self._encoded[self._next], max_pixels=max_pixels)
        except ImageTooLarge:
            raise
        except ImageError as error:
            raise InvalidRequest(f"{self._which()}{error}") from None
        self._keep(image, pixels)
        ended_s = time.monotonic()
        metrics.DECODE_SECONDS.observe(ended_s - started_s)
        record(current(), "decode", started_s, ended_s)

    def _keep(self, image: NDArray[np.uint8], pixels: int) -> None:
        self._decoded[self._next] = image
        self._pixels_left -= pixels
        self._next += 1

    def _which(self) -> str:
        return f"image {self._next}: " if len(self._encoded) > 1 else ""

    def _why(self) -> str:
        if self._pixels_left >= self._max_pixels:
            return ""
        return f": the images of one request may have {self._all_pixels:,} pixels together"
