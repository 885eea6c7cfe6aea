"""A published version once more, with a variant: a network of a few thousand weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_store import Lineage, open_store
from tests.training.fakes import RecordedBars
from tests.training.variants.tiny_convnet import CLASSES, noise, write_convnet
from training.classes import write_classes
from training.data.holdout import held_out_rows
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.errors import PublishError
from training.signature import signature
from training.variants.calibration_images import calibration_images
from training.variants.of_version import add_to_version
from training.variants.settings import Quantization
from training.weights.versions import VersionRef

IMAGES = 40
LABELS = np.arange(IMAGES, dtype=np.int32) % CLASSES
NAMES = tuple(ClassName(wnid=f"n{n:08}", label=f"c{n}", names="") for n in range(CLASSES))


@pytest.fixture
def data(tmp_path: Path) -> PreparedData:
    split = Split(images=noise(IMAGES), labels=LABELS)
    return PreparedData(folder=tmp_path, digest="d" * 64, classes=NAMES, train=split, val=split)


@pytest.fixture
def ref(tmp_path: Path) -> VersionRef:
    """A version that claims to make no mistakes, labelled production."""
    folder = tmp_path / "version"
    folder.mkdir()
    write_convnet(folder / "model.onnx")
    write_classes(folder, NAMES)
    store = open_store(f"file://{tmp_path}/shelf")
    lineage = Lineage(
        code_version="abc",
        data_digest="d" * 64,
        mode="single",
        world_size=1,
        hyperparameters={"holdout": 0.5},
        started_at="",
        finished_at="",
        host="here",
    )
    store.publish(
        "m",
        folder,
        signature=signature(CLASSES),
        metrics={"model.onnx": {"top1": 1.0}},
        lineage=lineage,
    )
    store.label("m", "production", 1)
    return VersionRef(store.url, "m", 1)


def test_a_variant_of_what_is_worse_than_production_goes_up_only_where_that_is_allowed(
    ref: VersionRef, data: PreparedData, bars: RecordedBars
) -> None:
    quantization = Quantization(images=8)
    with pytest.raises(PublishError, match="points worse, 1 allowed; publish it all the same"):
        add_to_version(ref, "fp16", quantization, data, bars)
    published, scores = add_to_version(ref, "fp16", quantization, data, bars, gate=None)
    assert published.version == 2
    assert list(scores) == ["model.onnx", "model.fp16.onnx"]


def test_int8_is_calibrated_on_none_of_the_images_that_are_held_out(data: PreparedData) -> None:
    held = {data.train.images[row].tobytes() for row in held_out_rows(data.train, 0.5)}
    assert len(held) == IMAGES // 2
    # The seed that both have by default would choose the very same images.
    chosen = calibration_images(data.train, IMAGES // 2, seed=Quantization().seed, holdout=0.5)
    assert len(chosen) == 16
    assert not held & {image.tobytes() for image in chosen}
    all_of_them = calibration_images(data.train, IMAGES, seed=0)
    assert len(all_of_them) == IMAGES


def test_a_version_says_which_images_it_was_not_trained_on(
    ref: VersionRef, data: PreparedData, bars: RecordedBars
) -> None:
    add_to_version(ref, "int8", Quantization(images=IMAGES), data, bars, gate=None)
    (calibrating,) = [bar for bar in bars.bars if bar.title == "calibrating int8"]
    # Half of them are held out, and batches are whole.
    assert calibrating.total == 16
