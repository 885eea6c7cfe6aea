import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.batches import Augmentation, Batches, crop_and_flip
from training.data.prepared import Split

PLAIN = Augmentation(crop_padding=0, flip=False)


def numbered(count: int) -> Split:
    """Images whose pixels all hold the image's number, which is its label too."""
    numbers = np.arange(count)
    images = np.broadcast_to(numbers[:, None, None, None], (count, 64, 64, 3)).astype(np.uint8)
    return Split(images=images, labels=numbers.astype(np.int32))


def batches(split: Split, **keywords: int) -> Batches:
    settings = {"batch_size": 4, "seed": 0, "index": 0, "count": 1} | keywords
    return Batches(
        split,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        augmentation=PLAIN,
        index=settings["index"],
        count=settings["count"],
    )


def test_one_pass_shows_every_image_once() -> None:
    source = batches(numbered(12))
    assert source.steps_per_pass == 3
    seen = np.concatenate([source.at(step).labels for step in range(3)])
    assert sorted(seen) == list(range(12))


def test_images_keep_their_labels() -> None:
    batch = batches(numbered(12)).at(1)
    np.testing.assert_array_equal(batch.images[:, 0, 0, 0], batch.labels)


def test_each_pass_and_each_seed_has_another_order() -> None:
    def order(source: Batches, first: int) -> list[int]:
        return [int(label) for step in range(3) for label in source.at(first + step).labels]

    split = numbered(12)
    assert order(batches(split), 0) != order(batches(split), 3)
    assert order(batches(split), 0) != order(batches(split, seed=1), 0)


def test_a_batch_depends_on_its_step_alone() -> None:
    split = numbered(40)
    augmentation = Augmentation()

    def fresh() -> Batches:
        return Batches(split, batch_size=4, seed=3, augmentation=augmentation)

    walked = fresh()
    for step in range(15):
        walked.at(step)
    np.testing.assert_array_equal(walked.at(17).images, fresh().at(17).images)
    np.testing.assert_array_equal(walked.at(17).labels, fresh().at(17).labels)


def test_ranks_share_the_global_batch_of_a_single_process() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 64, 64, 3), np.uint8)
    split = Split(images=images, labels=np.arange(40, dtype=np.int32))

    def rank(batch_size: int, index: int, count: int) -> Batches:
        augmentation = Augmentation()
        return Batches(
            split,
            batch_size=batch_size,
            seed=0,
            augmentation=augmentation,
            index=index,
            count=count,
        )

    for step in (0, 3, 7):
        alone = rank(8, 0, 1).at(step)
        shares = [rank(4, index, 2).at(step) for index in (0, 1)]
        np.testing.assert_array_equal(np.concatenate([s.images for s in shares]), alone.images)
        np.testing.assert_array_equal(np.concatenate([s.labels for s in shares]), alone.labels)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_ranks_have_equally_many_steps_and_no_image_twice(count: int) -> None:
    ranks = [batches(numbered(50), index=index, count=count) for index in range(count)]
    assert len({rank.steps_per_pass for rank in ranks}) == 1
    seen = [
        int(label)
        for rank in ranks
        for step in range(rank.steps_per_pass)
        for label in rank.at(step).labels
    ]
    assert len(seen) == len(set(seen)) == 50 // (4 * count) * 4 * count


def test_a_crop_shifts_and_reflects_and_a_flip_mirrors() -> None:
    image = np.arange(64 * 64 * 3, dtype=np.int64).reshape(1, 64, 64, 3).astype(np.uint8)
    augmentation = Augmentation(crop_padding=2, flip=True)

    def augmented(top: int, left: int, flip: bool) -> NDArray[np.uint8]:
        result: NDArray[np.uint8] = crop_and_flip(
            image, augmentation, np.array([[top, left]]), np.array([flip])
        )[0]
        return result

    np.testing.assert_array_equal(augmented(2, 2, False), image[0])
    np.testing.assert_array_equal(augmented(2, 2, True), image[0][:, ::-1])
    np.testing.assert_array_equal(augmented(3, 2, False)[:-1], image[0][1:])
    np.testing.assert_array_equal(augmented(2, 0, False)[:, 2:], image[0][:, :-2])
    np.testing.assert_array_equal(augmented(2, 0, False)[:, 1], image[0][:, 1])
