import pytest

from training.data.layout import ClassName, read_layout
from training.errors import DataError

NAMES = [
    "wnids.txt",
    "words.txt",
    "val/val_annotations.txt",
    "train/n00000002/images/n00000002_10.JPEG",
    "train/n00000002/images/n00000002_9.JPEG",
    "train/n00000002/n00000002_boxes.txt",
    "train/n00000001/images/n00000001_0.JPEG",
    "val/images/val_0.JPEG",
    "val/images/val_1.JPEG",
]
TEXTS = {
    "wnids.txt": "n00000002\nn00000001\n",
    "words.txt": "n00000001\tcat\nn00000002\tdog, domestic dog\nn00000003\tother\n",
    "val/val_annotations.txt": "val_1.JPEG\tn00000001\t0\t0\t9\t9\nval_0.JPEG\tn00000002\n",
}


def test_classes_are_in_the_order_of_wnids_with_the_first_of_their_names() -> None:
    layout = read_layout(NAMES, TEXTS)
    assert layout.classes == (
        ClassName(wnid="n00000002", label="dog", names="dog, domestic dog"),
        ClassName(wnid="n00000001", label="cat", names="cat"),
    )


def test_images_are_ordered_by_class_and_number_whatever_order_they_came_in() -> None:
    expected = (
        ("train/n00000002/images/n00000002_9.JPEG", 0),
        ("train/n00000002/images/n00000002_10.JPEG", 0),
        ("train/n00000001/images/n00000001_0.JPEG", 1),
    )
    assert read_layout(NAMES, TEXTS).train == expected
    assert read_layout(NAMES[::-1], TEXTS).train == expected


def test_validation_images_follow_the_annotations() -> None:
    assert read_layout(NAMES, TEXTS).val == (
        ("val/images/val_1.JPEG", 1),
        ("val/images/val_0.JPEG", 0),
    )


@pytest.mark.parametrize("name", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
def test_a_missing_list_is_named(name: str) -> None:
    with pytest.raises(DataError, match=f"^{name} is missing"):
        read_layout(NAMES, {key: text for key, text in TEXTS.items() if key != name})


@pytest.mark.parametrize(
    ("changed", "text", "message"),
    [
        ("wnids.txt", "n00000002\ncat\n", "wnids.txt: not a WordNet id .*: cat"),
        ("wnids.txt", "n00000002\n", "names 1 classes"),
        ("wnids.txt", "n00000002\nn00000001\nn00000002\n", "named twice: n00000002"),
        (
            "wnids.txt",
            "n00000002\nn00000001\nn00000003\n",
            "class folders without images: train/n00000003/images",
        ),
        ("wnids.txt", "n00000002\nn00000003\n", "that wnids.txt doesn't name: train/n00000001"),
        ("words.txt", "n00000001\tcat\n", "words.txt: has no name for: n00000002"),
        ("val/val_annotations.txt", "", "names no validation image"),
        ("val/val_annotations.txt", "val_1.JPEG\n", "line 1: expected"),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn00000002\nval_1.JPEG\tn00000009\n",
            "line 2: val_1.JPEG is of n00000009, which wnids.txt doesn't name",
        ),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn00000002\nval_0.JPEG\tn00000002\n",
            "line 2: val_0.JPEG is annotated twice",
        ),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn00000002\n",
            "has no line for: val/images/val_1.JPEG",
        ),
        (
            "val/val_annotations.txt",
            TEXTS["val/val_annotations.txt"] + "val_7.JPEG\tn00000001\n",
            "names images that don't exist: val/images/val_7.JPEG",
        ),
    ],
)
def test_a_contradiction_is_refused_naming_the_file(changed: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_layout(NAMES, TEXTS | {changed: text})


def test_many_faults_of_a_kind_are_counted_not_listed() -> None:
    names = [*NAMES, *(f"val/images/extra_{number}.JPEG" for number in range(10))]
    with pytest.raises(DataError, match=r"extra_0.JPEG, .*extra_2.JPEG and 7 more$"):
        read_layout(names, TEXTS)
