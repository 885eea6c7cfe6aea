"""One number that makes probabilities mean what they say: the temperature of the softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Temperatures from 1/20 to 20; what is fitted beyond is no calibration any more.
_LARGEST_LOG = float(np.log(20.0))
_HALVINGS = 40
_SMALLEST = 1e-30


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
    """Return T for which softmax(logits / T) has the least cross-entropy on these images.

    Temperature scaling of Guo et al. 2017 (arXiv:1706.04599), section 4.2: it changes no guess.
    `probabilities` [N, classes] are softmax(logits), whose logarithms are the logits but for a
    constant that the softmax doesn't see; `labels` [N] are the classes. From 1/20 to 20.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    own = logits[np.arange(len(labels)), labels]
    low, high = -_LARGEST_LOG, _LARGEST_LOG
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        # The cross-entropy is convex in 1/T; this is its derivative there, which grows with 1/T.
        slope = (_expected(logits, np.exp(-middle)) - own).mean()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return float(np.exp(0.5 * (low + high)))


def at_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return softmax(logits / temperature), given softmax(logits), [N, classes]."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    shared: NDArray[np.float32] = (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)
    return shared


def _expected(logits: NDArray[np.float64], inverse: float) -> NDArray[np.float64]:
    """Return the mean logit [N] under softmax(inverse · logits)."""
    weights = np.exp(inverse * (logits - logits.max(axis=1, keepdims=True)))
    mean: NDArray[np.float64] = (weights * logits).sum(axis=1) / weights.sum(axis=1)
    return mean
