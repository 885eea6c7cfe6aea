from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imaging import IMAGE_SHAPE, ImageError, ImageTooLarge, decode_image

PIXELS = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_a_lossless_image_of_the_right_size_is_left_pixel_for_pixel(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = decode_image(encode(Image.fromarray(PIXELS), kind, **options))
    assert decoded.dtype == np.uint8
    assert (decoded == PIXELS).all()


def test_a_jpeg_decodes_as_pillow_decodes_it() -> None:
    data = encode(Image.fromarray(PIXELS), "JPEG")
    assert (decode_image(data) == np.asarray(Image.open(io.BytesIO(data)))).all()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "L"), ("PNG", "1"), ("PNG", "P"), ("GIF", "P"), ("JPEG", "L"), ("TIFF", "1")],
)
def test_grey_and_palette_images_become_rgb(kind: str, mode: str) -> None:
    image = Image.new("RGB", (64, 64), "white").convert(mode)
    assert (decode_image(encode(image, kind)) >= 254).all()


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    grey = np.full((64, 64), 0x8000, np.uint16)
    assert (decode_image(encode(Image.fromarray(grey), "PNG")) == 0x80).all()


def test_cmyk_becomes_rgb() -> None:
    data = encode(Image.new("CMYK", (64, 64), (0, 0, 0, 0)), "JPEG")
    assert (decode_image(data) >= 254).all()


def test_transparency_is_laid_over_white() -> None:
    data = encode(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "PNG")
    assert (decode_image(data) == 255).all()


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    decoded = decode_image(encode(image, "JPEG", exif=exif))
    assert decoded[:30].max() < 20
    assert decoded[34:].min() > 235


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_brought_upright_as_pillow_does_it(
    kind: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    wide = Image.fromarray(np.repeat(PIXELS, 2, axis=1))
    data = encode(wide, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    fitted = ImageOps.fit(upright.convert("RGB"), (64, 64), Image.Resampling.BILINEAR)
    assert (decode_image(data) == np.asarray(fitted)).all()


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("white", "black")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == 255).all()


@pytest.mark.parametrize("size", [(128, 128), (640, 480), (33, 90), (1, 1), (3000, 20), (65, 64)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_any_size_becomes_64_by_64(size: tuple[int, int], kind: str) -> None:
    decoded = decode_image(encode(Image.new("RGB", size, (200, 100, 50)), kind))
    assert decoded.shape == IMAGE_SHAPE
    assert np.abs(decoded.astype(int) - (200, 100, 50)).max() <= 3


def test_a_wide_image_is_cropped_in_the_middle_not_squeezed() -> None:
    image = Image.new("RGB", (192, 64), "red")
    image.paste("blue", (64, 0, 128, 64))
    assert (decode_image(encode(image, "PNG")) == (0, 0, 255)).all()


def test_more_pixels_than_allowed_are_refused() -> None:
    data = encode(Image.new("RGB", (101, 100)), "PNG")
    with pytest.raises(ImageTooLarge, match="101×100 = 10,100 pixels, at most 10,000"):
        decode_image(data, max_pixels=10_000)
    assert decode_image(data, max_pixels=10_100).shape == IMAGE_SHAPE


@pytest.mark.parametrize("data", [b"", b"text", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
def test_what_is_no_image_is_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)


def metadata() -> Image.Exif:
    """Return tags of every kind that cameras write, with an orientation that turns the image."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    exif[0x011A] = 72.0
    camera = exif.get_ifd(0x8769)
    camera[0x829A] = (1, 250)
    camera[0x927C] = b"maker's note"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.5)
    return exif


ENCODED = [encode(Image.fromarray(PIXELS), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF")]
ENCODED += [
    encode(Image.fromarray(PIXELS), kind, exif=metadata())
    for kind in ("JPEG", "PNG", "WEBP", "TIFF")
]
ENCODED += [
    encode(Image.fromarray(PIXELS), "TIFF", compression=each)
    for each in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")
]


@given(
    data=st.sampled_from(ENCODED),
    at=st.integers(0, 10_000),
    values=st.binary(min_size=1, max_size=4),
    from_the_end=st.booleans(),
)
def test_metadata_that_lies_gives_an_image_or_an_image_error(
    data: bytes, at: int, values: bytes, from_the_end: bool
) -> None:
    """Tags stand in a few hundred bytes at either end, which damage anywhere would seldom meet."""
    damaged = bytearray(data)
    place = len(data) - 1 - at % 400 if from_the_end else at % 400
    damaged[place : place + len(values)] = values
    try:
        decoded = decode_image(bytes(damaged))
    except ImageError:
        return
    assert decoded.shape == IMAGE_SHAPE


def retyped(data: bytes, tag: int, kind: int) -> bytes:
    """Return a file whose tag says that its value is of another kind than it is."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        found = data.find(tag.to_bytes(2, order))
        while found >= 0:
            place = found + (2 if order == "little" else 3)
            if data[place] in range(1, 14) and data[place + (1 if order == "little" else -1)] == 0:
                return data[:place] + bytes([kind]) + data[place + 1 :]
            found = data.find(tag.to_bytes(2, order), found + 1)
    raise AssertionError("no such tag")


RESOLUTION, STRIPS, TEXT, OPAQUE = 0x011A, 0x0111, 2, 7


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_metadata_that_pillow_cannot_write_does_not_keep_an_image_from_being_turned(
    kind: str,
) -> None:
    data = encode(Image.fromarray(PIXELS), kind, exif=metadata())
    assert (decode_image(retyped(data, RESOLUTION, OPAQUE)) == decode_image(data)).all()


@pytest.mark.parametrize("kind", [TEXT, OPAQUE])
def test_whatever_the_library_raises_on_a_damaged_file_is_an_image_error(kind: int) -> None:
    """Here a TypeError: the places of an image's parts are no numbers."""
    with pytest.raises(ImageError, match="damaged") as refused:
        decode_image(retyped(encode(Image.fromarray(PIXELS), "TIFF"), STRIPS, kind))
    assert isinstance(refused.value.__cause__, TypeError)


@given(data=st.sampled_from(ENCODED), cut=st.integers(1, 3000), flips=st.binary(max_size=4))
def test_damaged_bytes_give_an_image_or_an_image_error(data: bytes, cut: int, flips: bytes) -> None:
    damaged = bytearray(data[:-cut])
    for n, flip in enumerate(flips):
        if damaged:
            damaged[(flip * 7 + n * 131) % len(damaged)] ^= flip
    try:
        decoded = decode_image(bytes(damaged))
    except ImageError:
        return
    assert decoded.shape == IMAGE_SHAPE
