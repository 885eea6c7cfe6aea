"""Keras' ResNet-50 in our model: the same numbers, from files in every layout Keras has had."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.keras_files import preprocessed, random_resnet50, write_keras2
from training.backend import keras
from training.data.layout import ClassName
from training.errors import WeightsError
from training.model import Architecture, Stem, build_model
from training.trainee import predictor
from training.weights.files import read_weights_file
from training.weights.weights import take_over

CLASSES = tuple(ClassName(wnid=f"n{9 - i:08}", label=f"c{i}", names=f"c{i}") for i in range(7))
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Noise, and plain black and white, whose borders differ most from the padding."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), np.uint8)
    noise[4], noise[5] = 0, 255
    return noise


@pytest.fixture(scope="module")
def with_top(tmp_path_factory: pytest.TempPathFactory, images: NDArray[np.uint8]) -> Path:
    model = random_resnet50(images, include_top=True, classes=len(CLASSES))
    folder = tmp_path_factory.mktemp("keras")
    return write_keras2(model, folder / "resnet50_weights_tf_dim_ordering_tf_kernels.h5")


@pytest.fixture(scope="module")
def without_top(tmp_path_factory: pytest.TempPathFactory, images: NDArray[np.uint8]) -> Path:
    model = random_resnet50(images, include_top=False, classes=0)
    folder = tmp_path_factory.mktemp("keras")
    return write_keras2(model, folder / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5")


def ours(file: Path, stem: Stem) -> tuple[object, str]:
    model = build_model(Architecture(classes=7, stem=stem), precision="float32", seed=1)
    return model, take_over(read_weights_file(file), model, CLASSES)


def test_our_model_says_what_keras_says(with_top: Path, images: NDArray[np.uint8]) -> None:
    theirs = keras.applications.ResNet50(
        weights=str(with_top), include_top=True, input_shape=(64, 64, 3), classes=7
    )
    expected = theirs(preprocessed(images), training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 0.1
    model, line = ours(with_top, "imagenet")
    assert "the head is taken over for 7 classes" in line
    # Keras numbers classes by their sorted ids, and ours are named in descending order.
    np.testing.assert_allclose(predictor(model)(images), expected[:, ::-1], atol=TOLERANCE)


def test_features_without_the_top_layer_are_those_of_keras(
    without_top: Path, images: NDArray[np.uint8]
) -> None:
    theirs = keras.applications.ResNet50(
        weights=str(without_top), include_top=False, input_shape=(64, 64, 3)
    )
    expected = theirs(preprocessed(images), training=False).numpy()
    assert expected.std() > 0.1
    model, line = ours(without_top, "imagenet")
    assert "the head begins anew" in line
    features = keras.Model(model.input, model.get_layer("conv5_block3_out").output)  # type: ignore[attr-defined]
    np.testing.assert_allclose(features(images), expected, atol=TOLERANCE)


def test_without_the_pool_features_are_those_of_keras_without_its_pool(
    without_top: Path, images: NDArray[np.uint8]
) -> None:
    theirs = keras.applications.ResNet50(
        weights=str(without_top), include_top=False, input_shape=(None, None, 3), pooling="avg"
    )
    before = keras.Model(theirs.input, theirs.get_layer("conv1_relu").output)
    after = keras.Model(theirs.get_layer("pool1_pool").output, theirs.output)
    expected = after(before(preprocessed(images), training=False), training=False).numpy()
    model, _ = ours(without_top, "stride2")
    features = keras.Model(model.input, model.get_layer("avg_pool").output)  # type: ignore[attr-defined]
    np.testing.assert_allclose(features(images), expected, atol=TOLERANCE)


def test_the_stem_without_stride_is_refused_with_the_reason(with_top: Path) -> None:
    with pytest.raises(WeightsError, match=r"first convolution is 7×7, here it is 3×3.*--stem"):
        ours(with_top, "full")


# TensorFlow's variables under NumPy 2, called by Keras while it saves.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_every_layout_of_keras_is_read_alike(with_top: Path, tmp_path: Path) -> None:
    model = keras.applications.ResNet50(
        weights=str(with_top), include_top=True, input_shape=(64, 64, 3), classes=7
    )
    expected = read_weights_file(with_top).digest
    for name in ("a.weights.h5", "a.keras"):
        save = model.save if name.endswith(".keras") else model.save_weights
        save(tmp_path / name)
        assert read_weights_file(tmp_path / name).digest == expected
