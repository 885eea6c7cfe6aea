import numpy as np
import pytest
from PIL import Image

from training.data.resizing import filter_weights, shrink

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), np.uint8)
SIDES = [16, 32, 40, 48, 63]


@pytest.mark.parametrize("side", SIDES)
def test_images_shrink_as_pillow_shrinks_them_but_for_rounding(side: int) -> None:
    expected = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
            for image in IMAGES
        ]
    )
    found = shrink(IMAGES, side)
    assert found.dtype == np.uint8
    assert found.shape == (11, side, side, 3)
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("side", SIDES)
def test_every_sum_is_a_whole_number_that_float32_holds(side: int) -> None:
    weights = filter_weights(side)
    np.testing.assert_array_equal(weights, np.round(weights))
    np.testing.assert_array_equal(weights.sum(axis=1), 256.0)
    # The same in whole numbers, whose sums depend on no order.
    whole = np.einsum(
        "ij,njkc,lk->nilc",
        weights.astype(np.int64),
        IMAGES.astype(np.int64),
        weights.astype(np.int64),
    )
    np.testing.assert_array_equal(shrink(IMAGES, side), (whole + 2**15) // 2**16)


@pytest.mark.parametrize("value", [0, 1, 200, 255])
def test_an_image_of_one_colour_stays_so(value: int) -> None:
    assert (shrink(np.full((1, 64, 64, 3), value, np.uint8), 48) == value).all()


def test_whole_images_are_themselves() -> None:
    assert shrink(IMAGES, 64) is IMAGES
