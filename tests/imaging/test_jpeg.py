"""The short way for plain JPEGs, against Pillow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imaging import ImageError, decode_image
from imaging.jpeg import MOST_SCANS, decode_plain_jpeg, has_too_many_scans

SIDE = 64


def photo(seed: int, mode: str = "RGB") -> Image.Image:
    """Return smooth colours with some noise, as photos have."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16)
    noisy = smooth + rng.integers(-20, 21, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def pillows(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


ENCODINGS = st.fixed_dictionaries(
    {
        "quality": st.integers(1, 100),
        "subsampling": st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
        "progressive": st.booleans(),
        "optimize": st.booleans(),
        "restart_marker_blocks": st.sampled_from([0, 1, 3]),
    }
)


@given(seed=st.integers(0, 1000), mode=st.sampled_from(["RGB", "L"]), encoding=ENCODINGS)
def test_every_kind_of_plain_jpeg_has_pillows_very_pixels(
    seed: int, mode: str, encoding: dict[str, Any]
) -> None:
    data = jpeg(photo(seed, mode), **encoding)
    decoded = decode_plain_jpeg(data, SIDE)
    assert decoded is not None, "the short way was taken"
    assert (decoded == pillows(data)).all()


def test_a_jpeg_of_rgb_without_conversion_has_pillows_pixels() -> None:
    data = jpeg(photo(1), keep_rgb=True)
    assert (decode_image(data) == pillows(data)).all()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(photo(1, "CMYK")), id="CMYK"),
        pytest.param(jpeg(photo(1).resize((65, 64))), id="another width"),
        pytest.param(jpeg(photo(1).resize((64, 65))), id="another height"),
        pytest.param(jpeg(photo(1), exif=Image.Exif()), id="EXIF"),
        pytest.param(jpeg(photo(1))[:-200], id="cut short"),
        pytest.param(b"\xff\xd8\xff", id="nothing but the start"),
        pytest.param(b"\x89PNG", id="no JPEG"),
    ],
)
def test_what_is_not_plain_takes_the_long_way(data: bytes) -> None:
    assert decode_plain_jpeg(data, SIDE) is None


def test_exif_turns_the_image_all_the_same() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image = photo(2)
    upright = decode_image(jpeg(image, exif=exif))
    assert (upright == pillows(jpeg(image))[::-1, ::-1]).all()


def test_the_limit_on_pixels_holds() -> None:
    with pytest.raises(ImageError, match="at most 4,000"):
        decode_image(jpeg(photo(1)), max_pixels=4000)


SCAN, END = b"\xff\xda", b"\xff\xd9"


def scanned_again(image: Image.Image, times: int, between: bytes = b"") -> bytes:
    """Return a progressive JPEG whose last scan comes again and again, without any data."""
    data = jpeg(image, progressive=True).removesuffix(END)
    last = data[data.rindex(SCAN) :]
    header = last[: 2 + int.from_bytes(last[2:4])]
    return data + (between + header) * times + END


@pytest.mark.parametrize("side", [64, 65])
@pytest.mark.parametrize("between", [b"", b"\xff", b"\xff\x00", b"\xff\xd0", b"\xff\xfe\0\4ab"])
def test_an_image_with_scans_without_end_is_refused_before_any_is_decoded(
    side: int, between: bytes
) -> None:
    data = scanned_again(photo(1).resize((side, side)), 100_000, between)
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(data)


def test_a_progressive_image_may_have_many_scans() -> None:
    data = scanned_again(photo(1), MOST_SCANS - 20)
    assert decode_image(data).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("side", [64, 65])
def test_bytes_in_metadata_and_after_the_image_that_look_like_scans_are_none(side: int) -> None:
    data = jpeg(photo(1).resize((side, side)))
    lookalikes = SCAN * 20_000
    comment = b"\xff\xfe" + (2 + len(lookalikes)).to_bytes(2, "big") + lookalikes
    dressed = data[:2] + comment + data[2:] + lookalikes
    assert (decode_image(dressed) == decode_image(data)).all()


@given(data=st.binary(max_size=2000))
def test_looking_for_scans_ends_whatever_the_bytes_are(data: bytes) -> None:
    has_too_many_scans(b"\xff\xd8\xff" + data + SCAN * 200)


@given(seed=st.integers(0, 50), cut=st.integers(0, 1500), flips=st.binary(max_size=6))
def test_a_damaged_one_gets_the_long_ways_verdict(seed: int, cut: int, flips: bytes) -> None:
    damaged = bytearray(jpeg(photo(seed)))
    del damaged[len(damaged) - cut :]
    for place, flip in enumerate(flips):
        damaged[(flip * 37 + place * 211) % len(damaged)] ^= flip or 1
    decoded = decode_plain_jpeg(bytes(damaged), SIDE)
    if decoded is None:
        return
    assert (decoded == pillows(bytes(damaged))).all()
