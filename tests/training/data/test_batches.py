import numpy as np
import pytest

from training.data.batches import Augmentation, Batches, TrainingBatch
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


EVERYTHING = Augmentation(colour=0.4, erase=0.5, mixup=0.4, cutmix=1.0)


@pytest.mark.parametrize(
    "augmentation",
    [PLAIN, Augmentation(), Augmentation(mixup=0.4), Augmentation(cutmix=1.0), EVERYTHING],
)
@pytest.mark.parametrize("count", [2, 4])
def test_ranks_share_the_global_batch_of_a_single_process(
    augmentation: Augmentation, count: int
) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 64, 64, 3), np.uint8)
    split = Split(images=images, labels=np.arange(40, dtype=np.int32))

    def rank(index: int, count: int) -> Batches:
        return Batches(
            split,
            batch_size=8 // count,
            seed=0,
            augmentation=augmentation,
            index=index,
            count=count,
        )

    for step in (0, 3, 7):
        alone = rank(0, 1).at(step)
        parts = [rank(index, count).at(step) for index in range(count)]
        for field in ("images", "labels", "partners", "shares"):
            together = np.concatenate([getattr(part, field) for part in parts])
            np.testing.assert_array_equal(together, getattr(alone, field), err_msg=field)


def test_fewer_ranks_share_the_same_global_batch_but_for_what_doesnt_divide() -> None:
    split = numbered(40)
    whole = Batches(split, batch_size=8, seed=0, augmentation=PLAIN).at(3)
    parts = [
        Batches(split, batch_size=2, seed=0, augmentation=PLAIN, index=rank, global_batch=8).at(3)
        for rank in range(3)
    ]
    labels = np.concatenate([part.labels for part in parts])
    np.testing.assert_array_equal(labels, whole.labels[:6])


def test_an_option_turned_on_changes_nothing_in_what_the_others_draw() -> None:
    rng = np.random.default_rng(0)
    split = Split(
        images=rng.integers(0, 256, (8, 64, 64, 3), np.uint8), labels=np.arange(8, dtype=np.int32)
    )

    def batch(augmentation: Augmentation) -> TrainingBatch:
        return Batches(split, batch_size=8, seed=0, augmentation=augmentation).at(0)

    plain, erased = batch(Augmentation()), batch(Augmentation(erase=0.5))
    touched = (plain.images != erased.images).any(axis=3)
    assert 0 < touched.mean() < 0.34
    both = batch(Augmentation(erase=0.5, colour=0.4))
    boxes = (both.images == (124, 116, 104)).all(axis=3)
    assert boxes[touched].all()


def test_mixed_batches_name_the_partners_class_and_how_much_of_each_there_is() -> None:
    source = Batches(numbered(40), batch_size=8, seed=0, augmentation=Augmentation(mixup=1.0))
    batch = source.at(2)
    own, partner = batch.labels.astype(float), batch.partners.astype(float)
    expected = batch.shares * own + (1 - batch.shares) * partner
    assert ((batch.shares >= 0) & (batch.shares <= 1)).all()
    assert (batch.partners != batch.labels).any()
    for image, value in zip(batch.images, expected, strict=True):
        assert np.abs(image - value).max() <= 0.5


def test_without_mixing_every_image_is_wholly_its_own() -> None:
    batch = Batches(numbered(40), batch_size=8, seed=0, augmentation=Augmentation()).at(2)
    np.testing.assert_array_equal(batch.partners, batch.labels)
    np.testing.assert_array_equal(batch.shares, np.ones(8, np.float32))


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
