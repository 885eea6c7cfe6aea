"""One training step: forward, backward, reduce, update; compiled once into one graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from training.backend import keras, tf


class StepResult(msgspec.Struct, frozen=True):
    """The mean loss over the batch (label smoothing included) and how many top-1 were right."""

    loss: float
    correct: int


def make_optimizer(*, momentum: float) -> Any:
    """Return SGD with Nesterov momentum; each step sets its learning rate."""
    # Named, or Keras would number it, and its variables, anew for each one in a process.
    return keras.optimizers.SGD(
        learning_rate=0.0, momentum=momentum, nesterov=momentum > 0, name="sgd"
    )


class TrainStep:
    """Updates `model` in place, and `average` (a model of the same variables) towards it.

    `reduce_gradients` lets a mode average gradients over its ranks; it takes and returns the list
    of gradients and is traced into the graph. Weight decay is added to the gradients of kernels
    and left off scales, shifts and biases, which have one dimension.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        *,
        label_smoothing: float,
        weight_decay: float,
        average: Any | None = None,
        average_decay: float = 0.0,
        reduce_gradients: Callable[[list[Any]], list[Any]] = list,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._label_smoothing = label_smoothing
        self._weight_decay = weight_decay
        self._average = average
        self._average_decay = average_decay
        self._reduce_gradients = reduce_gradients
        self._compiled: Any = None

    def compile(self) -> None:
        """Create the optimizer's variables and the graph; tracing happens at the first step."""
        if not self._optimizer.built:
            self._optimizer.build(self._model.trainable_variables)
        signature = [
            tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((), tf.float32),
        ]
        self._compiled = tf.function(self._update, input_signature=signature)

    def __call__(
        self,
        images: NDArray[np.uint8] | Any,
        labels: NDArray[np.int32] | Any,
        learning_rate: float,
    ) -> StepResult:
        """Train on images uint8 [B, 64, 64, 3] and labels int32 [B]."""
        if self._compiled is None:
            self.compile()
        loss, correct = self._compiled(images, labels, np.float32(learning_rate))
        return StepResult(loss=float(loss), correct=int(correct))

    def _update(self, images: Any, labels: Any, learning_rate: Any) -> tuple[Any, Any]:
        variables = self._model.trainable_variables
        values = [variable.value for variable in variables]
        with tf.GradientTape() as tape:
            logits = self._model(images, training=True)
            loss = self._loss(logits, labels)
        gradients = self._reduce_gradients(tape.gradient(loss, values))
        if self._weight_decay:
            gradients = [
                gradient + self._weight_decay * value if len(value.shape) > 1 else gradient
                for gradient, value in zip(gradients, values, strict=True)
            ]
        self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.apply(gradients, variables)
        self._follow()
        guesses = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return loss, tf.reduce_sum(tf.cast(guesses == labels, tf.int32))

    def _loss(self, logits: Any, labels: Any) -> Any:
        classes = logits.shape[-1]
        smooth = self._label_smoothing
        targets = tf.one_hot(labels, classes, 1.0 - smooth + smooth / classes, smooth / classes)
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))

    def _follow(self) -> None:
        """Move the average towards the weights; slowly only once many steps have been seen."""
        if self._average is None:
            return
        seen = tf.cast(self._optimizer.iterations.value, tf.float32)
        decay = tf.minimum(self._average_decay, (1.0 + seen) / (10.0 + seen))
        for mean, current in zip(self._average.variables, self._model.variables, strict=True):
            mean.value.assign_sub((1.0 - decay) * (mean.value - current.value))
