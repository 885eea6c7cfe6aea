"""`keras.applications.ResNet50`, whose ImageNet weights Keras publishes, as weights of our model.

Three things differ, and each is made up for exactly (to float32's rounding):

- Its convolutions have a bias. The normalisation after each subtracts a mean, so the bias goes
  there: `moving_mean - bias`.
- It takes BGR pixels less a mean, ours divides RGB pixels less the same mean by a deviation: the
  first kernel's channels are turned round and scaled. Both pad with zeros after that, which stand
  for the mean pixel in both, so borders agree too.
- Its first kernel is made for pixels up to ±128, and would be some 57 times as large on ours up to
  ±2. Gradients would then hardly move it, as a normalised layer learns in proportion to
  1/|kernel|² (van Laarhoven 2017, arXiv:1706.05350); so it is divided by that, and the
  normalisation's statistics with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from training.errors import WeightsError
from training.model import EPSILON, HEAD, PIXEL_DEVIATION
from training.weights.weights import Weights

_FIRST = "conv1"

Values = Mapping[str, NDArray[np.generic]]


def is_keras_resnet50(layers: Mapping[str, Values]) -> bool:
    """Return whether these are layers of Keras' ResNet-50: our names, but with a bias."""
    return "bias" in layers.get(f"{_FIRST}_conv", {})


def from_keras_resnet50(layers: Mapping[str, Values], *, origin: str) -> Weights:
    """Return the weights with which our model computes what Keras' does after `preprocess_input`.

    A file without the top layer gives a head without outputs. Raises WeightsError for a layer that
    is missing or incomplete.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for layer, values in layers.items():
        if layer.endswith("_conv"):
            name = layer.removesuffix("_conv")
            norm = layers.get(f"{name}_bn")
            if norm is None:
                raise WeightsError(f"{origin}: {name}_bn is missing, without which {layer} is none")
            arrays |= _block(name, values, norm, origin)
    arrays |= _head(layers, origin)
    return Weights(arrays=arrays, origin=origin, sorted_classes=True)


def _block(
    name: str, convolution: Values, norm: Values, origin: str
) -> dict[str, NDArray[np.generic]]:
    try:
        kernel = convolution["kernel"].astype(np.float64)
        gamma = norm["gamma"].astype(np.float64)
        mean = norm["moving_mean"].astype(np.float64) - convolution["bias"].astype(np.float64)
        variance = norm["moving_variance"].astype(np.float64)
        beta = norm["beta"].astype(np.float32)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{origin}: {name}_conv and {name}_bn don't fit: {error}") from None
    if name == _FIRST:
        kernel, gamma, mean, variance = _on_our_pixels(kernel, gamma, mean, variance)
    return {
        f"{name}_conv/kernel": kernel.astype(np.float32),
        f"{name}_bn/gamma": gamma.astype(np.float32),
        f"{name}_bn/beta": beta,
        f"{name}_bn/moving_mean": mean.astype(np.float32),
        f"{name}_bn/moving_variance": variance.astype(np.float32),
    }


def _on_our_pixels(
    kernel: NDArray[np.float64],
    gamma: NDArray[np.float64],
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Return them for RGB divided by its deviation instead of BGR as it is.

    The deviation's mean s leaves the kernel for the statistics, and as the normalisation divides
    by sqrt(variance + epsilon), what epsilon weighs more after that is made up for by the scale:
    g/sqrt(v + e) = g'/s/sqrt(v/s² + e).
    """
    deviation = np.array(PIXEL_DEVIATION)
    scale = deviation.mean()
    kernel = kernel[:, :, ::-1, :] * (deviation / scale)[:, None]
    gamma = gamma * np.sqrt((variance + EPSILON * scale**2) / (variance + EPSILON))
    return kernel, gamma, mean / scale, variance / scale**2


def _head(layers: Mapping[str, Values], origin: str) -> dict[str, NDArray[np.generic]]:
    """Find the top layer, which is called `predictions`, `probs` or as its owner liked."""
    dense = [values for values in layers.values() if _is_dense(values)]
    if len(dense) > 1:
        raise WeightsError(f"{origin}: has {len(dense)} dense layers, ResNet-50 has one")
    if dense:
        return {f"{HEAD}/kernel": dense[0]["kernel"], f"{HEAD}/bias": dense[0]["bias"]}
    features = layers.get("conv5_block3_3_bn", {}).get("gamma", np.zeros(0))
    return {
        f"{HEAD}/kernel": np.zeros((len(features), 0), np.float32),
        f"{HEAD}/bias": np.zeros(0, np.float32),
    }


def _is_dense(values: Values) -> bool:
    return values.keys() == {"kernel", "bias"} and values["kernel"].ndim == 2
