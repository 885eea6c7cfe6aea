import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.augmentation import Augmentation, augment, crop_and_flip, draw

ALL = Augmentation(colour=0.4, erase=0.5)


def cropped(top: int, left: int, *, flip: bool) -> NDArray[np.uint8]:
    out = np.empty((1, 64, 64, 3), np.uint8)
    crop_and_flip(image()[None], 2, np.array([[top, left]]), np.array([flip]), out)
    result: NDArray[np.uint8] = out[0]
    return result


def image() -> NDArray[np.uint8]:
    return np.arange(64 * 64 * 3, dtype=np.int64).reshape(64, 64, 3).astype(np.uint8)


def test_a_crop_shifts_and_reflects_and_a_flip_mirrors() -> None:
    np.testing.assert_array_equal(cropped(2, 2, flip=False), image())
    np.testing.assert_array_equal(cropped(2, 2, flip=True), image()[:, ::-1])
    np.testing.assert_array_equal(cropped(3, 2, flip=False)[:-1], image()[1:])
    np.testing.assert_array_equal(cropped(2, 0, flip=False)[:, 2:], image()[:, :-2])
    np.testing.assert_array_equal(cropped(2, 0, flip=False)[:, 1], image()[:, 1])


def test_what_happens_to_an_image_does_not_depend_on_its_neighbours() -> None:
    """Images are worked on in chunks; any part of them gives the same pixels."""
    images = np.random.default_rng(0).integers(0, 256, (50, 64, 64, 3), np.uint8)
    draws = draw(ALL, 50, seed=0, step=0)
    whole = augment(images, np.arange(50), 4, draws)
    some = np.array([41, 3, 17, 17, 8])
    np.testing.assert_array_equal(augment(images, some, 4, draws.of(some)), whole[some])


def test_each_step_and_seed_draws_anew_and_the_same_again() -> None:
    def factors(seed: int, step: int) -> list[float]:
        drawn = draw(ALL, 4, seed=seed, step=step).factors
        assert drawn is not None
        return [float(factor) for factor in drawn.ravel()]

    assert factors(0, 0) == factors(0, 0)
    assert factors(0, 0) != factors(0, 1)
    assert factors(0, 0) != factors(1, 0)


def test_factors_stay_within_the_spread_asked_for() -> None:
    factors = draw(ALL, 1000, seed=0, step=0).factors
    assert factors is not None
    assert factors.min() == pytest.approx(0.6, abs=0.01)
    assert factors.max() == pytest.approx(1.4, abs=0.01)


def test_the_part_asked_for_is_erased_by_boxes_of_the_papers_sizes() -> None:
    erased = draw(Augmentation(erase=0.25), 4000, seed=0, step=0).erased
    assert erased is not None
    areas = erased.areas[erased.areas > 0] / 64**2
    assert len(areas) / 4000 == pytest.approx(0.25, abs=0.03)
    assert areas.min() > 0.015
    assert areas.max() < 0.35
    top, bottom, left, right = erased.corners[erased.areas > 0].T
    ratio = (bottom - top) / (right - left)
    assert ratio.min() > 0.25
    assert ratio.max() < 4


def test_half_of_the_images_are_mirrored_and_none_without_the_option() -> None:
    assert draw(Augmentation(), 2000, seed=0, step=0).flips.mean() == pytest.approx(0.5, abs=0.05)
    assert not draw(Augmentation(flip=False), 2000, seed=0, step=0).flips.any()
