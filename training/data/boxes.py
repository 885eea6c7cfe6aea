"""Boxes of pixels in images, one an image, some of them empty."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import SIDE


class Boxes(msgspec.Struct, frozen=True):
    """Corners int64 [N, 4]: rows from `top` up to but without `bottom`, then columns likewise."""

    corners: NDArray[np.int64]

    @classmethod
    def placed(
        cls,
        *,
        height: NDArray[np.float64],
        width: NDArray[np.float64],
        place: NDArray[np.float64],
    ) -> Boxes:
        """Return boxes of these sizes (pixels, rounded), wholly inside of their images.

        `place` [N, 2] from 0 up to 1 says where, from the top and from the left.
        """
        sizes = np.clip(np.rint(np.stack([height, width], axis=1)), 0, SIDE).astype(np.int64)
        first = np.floor(place * (SIDE - sizes + 1)).astype(np.int64)
        return cls(_corners(first, first + sizes))

    @classmethod
    def centred(
        cls,
        *,
        height: NDArray[np.float64],
        width: NDArray[np.float64],
        centre: NDArray[np.int64],
    ) -> Boxes:
        """Return boxes of these sizes (pixels) around `centre` [N, 2], cut off at the edges."""
        halves = (np.stack([height, width], axis=1) / 2).astype(np.int64)
        return cls(_corners(np.maximum(centre - halves, 0), np.minimum(centre + halves, SIDE)))

    @property
    def areas(self) -> NDArray[np.int64]:
        """Return how many pixels each box has, int64 [N]."""
        top, bottom, left, right = self.corners.T
        areas: NDArray[np.int64] = (bottom - top) * (right - left)
        return areas

    def of(self, places: NDArray[np.int64]) -> Boxes:
        """Return the boxes of the images at these places."""
        return Boxes(self.corners[places])

    def paint(self, images: NDArray[np.uint8], colour: tuple[int, int, int]) -> None:
        """Fill each image's box with one colour, in place."""
        for place in np.flatnonzero(self.areas):
            top, bottom, left, right = self.corners[place]
            images[place, top:bottom, left:right] = colour

    def paste(
        self, sources: NDArray[np.uint8], rows: NDArray[np.int64], images: NDArray[np.uint8]
    ) -> None:
        """Copy each image's box from the source at its row, in place."""
        for place in np.flatnonzero(self.areas):
            top, bottom, left, right = self.corners[place]
            images[place, top:bottom, left:right] = sources[rows[place], top:bottom, left:right]


def _corners(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([first[:, 0], last[:, 0], first[:, 1], last[:, 1]], axis=1)
