"""Batch normalisation as training needs it: in one kernel, or over the batches of all ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.backend import keras, tf

# From a tensor to its mean over all ranks, differentiable.
AverageMoments = Callable[[Any], Any]


class FusedNormalisation(keras.layers.BatchNormalization):
    """Batch normalisation that trains by TensorFlow's fused kernels.

    Keras writes a normalisation out in single operations on float32, each of which goes through
    the memory of all features; that made a training step a third longer. The variables and the
    results are those of the class above, and so is all but training. The kernels compute in
    float32 too, whatever the type of the features.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs [N, H, W, C], in the layer's compute type."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        normalised, mean, variance = self._normalise(tf.cast(inputs, self.compute_dtype))
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance)
        return normalised

    def _normalise(self, x: Any) -> tuple[Any, Any, Any]:
        """Return the normalised features, and mean and variance float32 [C] of the batch."""
        nothing = tf.zeros(0)
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            is_training=True,
        )
        # It tells the variance that the batch suggests for all images, which is larger.
        count = tf.cast(tf.size(x, tf.int64) // x.shape[-1], tf.float32)
        return normalised, mean, variance * ((count - 1.0) / count)

    def _follow(self, moving: Any, current: Any) -> None:
        moving.assign(moving.value * self.momentum + current * (1.0 - self.momentum))


class GlobalNormalisation(FusedNormalisation):
    """Batch normalisation that takes means and variances over the batches of all ranks.

    `average` is called once in a forward pass, with float32 [2, C]. It must let gradients flow back
    to all ranks, as a rank's loss depends on the images of the others.
    """

    def __init__(self, average: AverageMoments, **options: Any) -> None:
        super().__init__(**options)
        self._average = average

    def _normalise(self, x: Any) -> tuple[Any, Any, Any]:
        x = tf.cast(x, tf.float32)
        mean, variance = self._global_moments(x)
        gamma, beta = self.gamma.value, self.beta.value
        normalised = tf.nn.batch_normalization(x, mean, variance, beta, gamma, self.epsilon)
        return tf.cast(normalised, self.compute_dtype), mean, variance

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
