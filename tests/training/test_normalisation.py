from typing import Any

import numpy as np
import pytest

from training.backend import keras, tf
from training.normalisation import FusedNormalisation


def features(*shape: int) -> Any:
    # Far from zero, where means of squares less squares of means would lose digits.
    return np.random.default_rng(0).normal(30.0, 3.0, shape).astype(np.float32)


def layer_of(kind: Any, channels: int, dtype: str = "float32") -> Any:
    layer = kind(epsilon=1e-3, momentum=0.9, dtype=dtype)
    layer.build((None, None, None, channels))
    layer.gamma.assign(np.linspace(0.5, 2.0, channels))
    layer.beta.assign(np.linspace(-1.0, 1.0, channels))
    return layer


def trained(layer: Any, x: Any) -> list[Any]:
    """Return the output, the gradients of input, scale and shift, and the new statistics."""
    x = tf.constant(x)
    weights = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    watched = [x, layer.gamma.value, layer.beta.value]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        output = layer(x, training=True)
        total = tf.reduce_sum(tf.cast(output, tf.float32) * weights)
    gradients = tape.gradient(total, watched)
    found = [output, *gradients, layer.moving_mean.value, layer.moving_variance.value]
    return [tf.cast(item, tf.float32).numpy() for item in found]


@pytest.mark.parametrize("shape", [(8, 5, 7, 6), (2, 1, 1, 6), (1, 1, 1, 6)])
def test_it_trains_as_keras_does(shape: tuple[int, ...]) -> None:
    x = features(*shape)
    ours = trained(layer_of(FusedNormalisation, 6), x)
    theirs = trained(layer_of(keras.layers.BatchNormalization, 6), x)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


def test_in_bfloat16_it_is_as_near_to_float32_as_keras_is() -> None:
    x = features(16, 6, 6, 4)
    exact = trained(layer_of(keras.layers.BatchNormalization, 4), x)
    ours = trained(layer_of(FusedNormalisation, 4, "mixed_bfloat16"), x)
    theirs = trained(layer_of(keras.layers.BatchNormalization, 4, "mixed_bfloat16"), x)
    for mine, other, right in zip(ours, theirs, exact, strict=True):
        allowed = 1.5 * np.abs(other - right).max() + 1e-3
        assert np.abs(mine - right).max() <= allowed


def test_the_output_has_the_type_of_the_features() -> None:
    x = tf.zeros((2, 3, 3, 4), tf.bfloat16)
    layer = layer_of(FusedNormalisation, 4, "mixed_bfloat16")
    assert layer(x, training=True).dtype == tf.bfloat16
    assert layer(x, training=False).dtype == tf.bfloat16


def test_frozen_it_uses_the_statistics_it_has() -> None:
    x = features(4, 3, 3, 4)
    layer = layer_of(FusedNormalisation, 4)
    layer.trainable = False
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    np.testing.assert_array_equal(layer.moving_mean.value, np.zeros(4))
