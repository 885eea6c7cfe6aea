"""Batch normalisation whose statistics are of the global batch, wherever its parts are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.backend import keras, tf

# From a tensor to its mean over all ranks, differentiable.
AverageMoments = Callable[[Any], Any]


class GlobalNormalisation(keras.layers.BatchNormalization):
    """Batch normalisation that takes means and variances over the batches of all ranks.

    `average` is called once in a forward pass, with float32 [2, C]. It must let gradients flow back
    to all ranks, as a rank's loss depends on the images of the others. The variables are those of
    the class above, and so is all but training.
    """

    def __init__(self, average: AverageMoments, **options: Any) -> None:
        super().__init__(**options)
        self._average = average

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs [N, H, W, C], in the layer's compute type."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        x = tf.cast(inputs, tf.float32)
        mean, variance = self._global_moments(x)
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance)
        gamma, beta = self.gamma.value, self.beta.value
        normalised = tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(normalised, self.compute_dtype)

    def _global_moments(self, x: Any) -> tuple[Any, Any]:
        """Return mean and variance float32 [C].

        Taken around the moving mean, which all ranks know: mean squares minus squared means would
        lose digits where the mean is far from zero.
        """
        near = tf.stop_gradient(self.moving_mean.value)
        distance = x - near
        mine = tf.stack(
            [
                tf.reduce_mean(distance, axis=(0, 1, 2)),
                tf.reduce_mean(tf.square(distance), axis=(0, 1, 2)),
            ]
        )
        mean, square = tf.unstack(self._average(mine))
        return near + mean, square - tf.square(mean)

    def _follow(self, moving: Any, current: Any) -> None:
        moving.assign(moving.value * self.momentum + current * (1.0 - self.momentum))
