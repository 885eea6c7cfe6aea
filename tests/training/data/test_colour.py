import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from training.data.colour import jitter

IMAGE = np.random.default_rng(0).integers(60, 160, (64, 64, 3), np.uint8)


def jittered(*factors: float) -> NDArray[np.uint8]:
    out = np.empty((1, 64, 64, 3), np.uint8)
    planes = np.ascontiguousarray(IMAGE.transpose(2, 0, 1)[None])
    jitter(planes, np.array([factors], np.float32), out)
    result: NDArray[np.uint8] = out[0]
    return result


def test_factors_of_one_change_nothing() -> None:
    np.testing.assert_array_equal(jittered(1, 1, 1), IMAGE)


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.3])
@pytest.mark.parametrize(
    ("place", "enhance"),
    [(0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)],
)
def test_each_factor_does_what_pillow_does(
    place: int, enhance: type[ImageEnhance.Brightness], factor: float
) -> None:
    factors = [1.0, 1.0, 1.0]
    factors[place] = factor
    theirs = np.asarray(enhance(Image.fromarray(IMAGE)).enhance(factor)).astype(int)
    # Pillow rounds its grey values to whole numbers first, and cuts off where we round.
    assert np.abs(jittered(*factors) - theirs).max() <= 1


def test_the_three_together_are_one_after_the_other_up_to_rounding() -> None:
    image = Image.fromarray(IMAGE)
    for enhance, factor in (
        (ImageEnhance.Brightness, 1.2),
        (ImageEnhance.Contrast, 0.7),
        (ImageEnhance.Color, 1.3),
    ):
        image = enhance(image).enhance(factor)
    assert np.abs(jittered(1.2, 0.7, 1.3) - np.asarray(image).astype(int)).max() <= 3


def test_values_beyond_the_range_are_cut_off() -> None:
    bright = jittered(3, 1, 1)
    assert bright.max() == 255
    np.testing.assert_array_equal(bright, np.minimum(IMAGE.astype(int) * 3, 255))
    assert jittered(1, 1, 5).min() == 0
