import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.augmentation import Augmentation
from training.data.mixing import Mixing, draw_mixing

COUNT = 512


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 64, 64, 3), np.uint8)


def mixing(*, mixup: float = 0.0, cutmix: float = 0.0) -> Mixing:
    drawn = draw_mixing(Augmentation(mixup=mixup, cutmix=cutmix), COUNT, seed=0, step=0)
    assert drawn is not None
    return drawn


def test_nothing_is_mixed_unless_asked_for() -> None:
    assert draw_mixing(Augmentation(), 8, seed=0, step=0) is None


def test_every_image_of_the_batch_is_a_partner_once() -> None:
    assert sorted(mixing(mixup=0.2).partners) == list(range(COUNT))


def test_mixup_blends_pixels_by_the_share_the_targets_get(images: NDArray[np.uint8]) -> None:
    drawn = mixing(mixup=1.0)
    mixed = drawn.mix(images, np.arange(COUNT), drawn.partners)
    share = drawn.shares[:, None, None, None].astype(np.float64)
    exact = share * images + (1 - share) * images[drawn.partners]
    assert np.abs(mixed - exact).max() <= 0.5


def test_cutmix_takes_a_box_whose_pixels_are_missing_in_the_share(
    images: NDArray[np.uint8],
) -> None:
    drawn = mixing(cutmix=1.0)
    mixed = drawn.mix(images, np.arange(COUNT), drawn.partners)
    other = images[drawn.partners]
    taken = (mixed != images).any(axis=3)
    np.testing.assert_array_equal(mixed[taken], other[taken])
    # Random pixels of two images are alike once in 256³; the box of an image that is its own
    # partner can't be seen.
    visible = drawn.partners != np.arange(COUNT)
    seen = 1 - taken[visible].mean(axis=(1, 2))
    np.testing.assert_allclose(drawn.shares[visible], seen, atol=1 / 64**2)


def test_shares_follow_the_beta_distribution_asked_for() -> None:
    shares = mixing(mixup=0.2).shares
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    # The variance of Beta(a, a) is 1 / (4 (2a + 1)).
    assert shares.var() == pytest.approx(1 / (4 * 1.4), rel=0.1)
    assert mixing(mixup=10.0).shares.var() == pytest.approx(1 / (4 * 21), rel=0.2)


def test_with_both_half_of_the_images_are_blended_and_half_cut() -> None:
    drawn = mixing(mixup=1.0, cutmix=1.0)
    blended, cut = drawn.weights < 256, drawn.boxes.areas > 0
    assert not (blended & cut).any()
    assert blended.mean() == pytest.approx(0.5, abs=0.07)
    assert cut.mean() == pytest.approx(0.5, abs=0.07)
