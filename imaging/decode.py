"""Decode one encoded image into the model's input: uint8 [64, 64, 3], RGB."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from imaging.jpeg import MOST_SCANS, decode_plain_jpeg, has_too_many_scans
from imaging.segments import MOST_SEGMENTS, has_too_many_segments

SIDE = 64
CHANNELS = 3
IMAGE_SHAPE = (SIDE, SIDE, CHANNELS)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
DEFAULT_MAX_PIXELS = 50_000_000

# A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for a fraction of the time and memory.
# Four times the target leaves the final resize enough to work with.
_DRAFT_SIZE = (4 * SIDE, 4 * SIDE)

_EXIF_ORIENTATION = 0x0112
# What brings an image of each orientation upright; 1 is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageError(ValueError):
    """The bytes aren't an image that can be decoded; the message says why."""


class ImageTooLarge(ImageError):
    """The image's header announces more pixels than allowed; nothing was decoded."""


def decode_image(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the image as uint8 [64, 64, 3] in RGB.

    Takes JPEG, PNG, WebP, GIF (first frame), BMP and TIFF. EXIF orientation is applied; CMYK,
    palette, grey and 16-bit images are converted; transparency is laid over white. An image of
    another size is scaled so that its shorter side is 64 (bilinear, antialiased) and cropped in
    the middle, so that nothing is distorted; a 64×64 image is left untouched, pixel for pixel.

    Raises ImageTooLarge before decoding anything when the header announces more than
    `max_pixels`, and ImageError for whatever isn't a complete image of those formats.
    """
    return decode_counting(data, max_pixels=max_pixels)[0]


def decode_counting(
    data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> tuple[NDArray[np.uint8], int]:
    """Return what `decode_image` does, and how many pixels the image had before."""
    if not data:
        raise ImageError("the image is empty (0 bytes)")
    if has_too_many_scans(data):
        raise ImageError(f"the JPEG has more than {MOST_SCANS} scans")
    if has_too_many_segments(data):
        raise ImageError(f"the image has more than {MOST_SEGMENTS:,} segments; write it anew")
    if max_pixels >= SIDE * SIDE:
        plain = decode_plain_jpeg(data, SIDE)
        if plain is not None:
            return plain, SIDE * SIDE
    try:
        with warnings.catch_warnings():
            # Pillow warns about large images and odd metadata; the limit below decides instead.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                pixels = _check_size(image, max_pixels)
                return _to_array(image), pixels
    except UnidentifiedImageError:
        raise ImageError(
            "not an image in a known format (JPEG, PNG, WebP, GIF, BMP or TIFF)"
        ) from None
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"{error} At most {max_pixels:,} pixels are allowed.") from None
    except (ImageError, MemoryError):
        raise
    # On damaged files Pillow raises whatever its code runs into, TypeError and AttributeError too.
    except Exception as error:
        raise ImageError(f"the image is damaged: {error}") from error


def _check_size(image: Image.Image, max_pixels: int) -> int:
    """Return how many pixels the header announces, if it may."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"the image has {width}×{height} = {width * height:,} pixels, "
            f"at most {max_pixels:,} are allowed"
        )
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels ({width}×{height})")
    return width * height


def _to_array(image: Image.Image) -> NDArray[np.uint8]:
    if image.format == "JPEG" and image.size != (SIDE, SIDE):
        image.draft(None, _DRAFT_SIZE)
    rgb = _to_rgb(_upright(image))
    if rgb.size != (SIDE, SIDE):
        rgb = ImageOps.fit(rgb, (SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(rgb)


def _upright(image: Image.Image) -> Image.Image:
    # Reading EXIF costs a third of decoding a small JPEG; most images have none.
    if image.format == "JPEG" and "exif" not in image.info:
        return image
    # What Pillow turns itself (TIFF) has no orientation left once it is loaded.
    image.load()
    # Pillow's exif_transpose would write all of the EXIF anew, and fails where it is damaged.
    turn = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BIT_MODES:
        # Pillow's own conversion clips at 255 instead of scaling 65535 down to 255.
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
