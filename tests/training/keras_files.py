"""Weights files as Keras has written them over the years, with random content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from training.backend import keras

SEED = 0


def random_resnet50(images: Any, *, include_top: bool, classes: int) -> Any:
    """Keras' own ResNet-50 with random weights, biases too, and statistics of these images.

    Statistics that fit, and blocks that add little each, keep numbers and their rounding in the
    range of a trained network; without them, fifty layers of random weights end in infinity.
    """
    keras.utils.set_random_seed(SEED)
    options = {"classes": classes} if include_top else {}
    shape = (64, 64, 3) if include_top else (None, None, 3)
    model = keras.applications.ResNet50(
        weights=None, include_top=include_top, input_shape=shape, pooling="avg", **options
    )
    generator = np.random.default_rng(SEED)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
            last = 0.2 if layer.name.endswith("_3_bn") else 1.0
            layer.gamma.assign(generator.uniform(0.5, 1.5, layer.gamma.shape) * last)
            layer.beta.assign(generator.normal(0, 0.3, layer.beta.shape))
        elif hasattr(layer, "bias"):
            layer.bias.assign(generator.normal(0, 2.0, layer.bias.shape))
    model(preprocessed(images), training=True)
    return model


def preprocessed(images: Any) -> Any:
    """What `keras.applications.resnet50.preprocess_input` makes of uint8 RGB images."""
    return keras.applications.resnet50.preprocess_input(images.astype(np.float32))


def write_keras2(model: Any, path: Path) -> Path:
    """Write the layout of the published files: Keras 2's, with names that end in `:0`."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer in model.layers:
            group = file.create_group(layer.name)
            variables = layer.trainable_weights + layer.non_trainable_weights
            names = [f"{variable.path}:0".encode() for variable in variables]
            group.attrs["weight_names"] = names
            for name, variable in zip(names, variables, strict=True):
                group.create_dataset(name.decode(), data=variable.numpy())
    return path
