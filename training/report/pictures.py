"""Example images as parts of the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.report.markup import Html, element

_QUALITY = 82


def picture(pixels: NDArray[np.uint8], alt: str) -> Html:
    """Return an image uint8 [height, width, 3] as an element with its JPEG inside."""
    height, width = pixels.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        buffer, "JPEG", quality=_QUALITY, optimize=True
    )
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return element("img", src=f"data:image/jpeg;base64,{data}", alt=alt, width=width, height=height)
