"""One training step: forward, backward, reduce, update; written to be compiled into one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from imaging import CHANNELS
from training.backend import keras, tf

Average = Callable[[Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any]]]


class StepInputs(NamedTuple):
    """A training batch, the learning rate, and whether this rank wishes to stop (0 or 1).

    Images uint8 [B, S, S, 3], where S is 64 unless the recipe's `resolution` says otherwise; an
    image is of class `labels` int32 [B] by the part `shares` float32 [B], and of class `partners`
    int32 [B] by the rest.
    """

    images: Any
    labels: Any
    partners: Any
    shares: Any
    learning_rate: Any
    stop: Any


# From inputs to float32 [3] for `read_result`.
Update = Callable[[StepInputs], Any]


class StepResult(msgspec.Struct, frozen=True):
    """What a step tells, over the global batch.

    The mean loss (label smoothing included), the part of images guessed right, and whether any
    rank wishes to stop.
    """

    loss: float
    top1: float
    stop: bool = False


def input_spec() -> StepInputs:
    """Return the shapes and types of the inputs."""
    return StepInputs(
        images=tf.TensorSpec((None, None, None, CHANNELS), tf.uint8),
        labels=tf.TensorSpec((None,), tf.int32),
        partners=tf.TensorSpec((None,), tf.int32),
        shares=tf.TensorSpec((None,), tf.float32),
        learning_rate=tf.TensorSpec((), tf.float32),
        stop=tf.TensorSpec((), tf.float32),
    )


def read_result(facts: Any) -> StepResult:
    """Return what an update returned, waiting for it."""
    loss, top1, stop = facts.numpy().tolist()
    return StepResult(loss=loss, top1=top1, stop=stop > 0)


def make_optimizer(*, momentum: float) -> Any:
    """Return SGD with Nesterov momentum; each step sets its learning rate."""
    # Named, or Keras would number it, and its variables, anew for each one in a process.
    return keras.optimizers.SGD(
        learning_rate=0.0, momentum=momentum, nesterov=momentum > 0, name="sgd"
    )


class TrainStep:
    """Updates `model` in place, and `average` (a model of the same variables) towards it.

    `meet` lets a mode average over its ranks, as `training.modes.base.Mode.average` says; with it
    every rank has the same variables after each step, statistics of the normalisation included.
    Weight decay is added to the gradients of kernels and left off scales, shifts and biases,
    which have one dimension. `xla` compiles forward and backward pass with XLA; what meets other
    ranks stays outside, as XLA can't compile it.
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
        meet: Average | None = None,
        xla: bool = False,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._label_smoothing = label_smoothing
        self._weight_decay = weight_decay
        self._average = average
        self._average_decay = average_decay
        self._meet = meet
        self._differentiate = (
            tf.function(self._gradients, jit_compile=True) if xla else self._gradients
        )

    def update(self, inputs: StepInputs) -> Any:
        """Train on a batch; return float32 [3] for `read_result`."""
        gradients, loss, top1 = self._differentiate(inputs)
        facts = tf.stack([loss, top1, inputs.stop])
        gradients, facts = self._averaged(gradients, facts)
        self._apply(gradients, inputs.learning_rate)
        self._follow()
        return facts

    def _gradients(self, inputs: StepInputs) -> tuple[list[Any], Any, Any]:
        """Return the gradients of the trainable variables, the loss and the part guessed right."""
        # A model for one size of images is compiled for that size.
        images = tf.ensure_shape(inputs.images, self._model.input_shape)
        values = [variable.value for variable in self._model.trainable_variables]
        # Of a frozen layer, nothing need be remembered for the way back.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            logits = self._logits(images)
            loss = self._loss(logits, inputs)
        guesses = tf.argmax(logits, axis=-1, output_type=tf.int32)
        top1 = tf.reduce_mean(tf.cast(guesses == inputs.labels, tf.float32))
        return tape.gradient(loss, values), loss, top1

    def _logits(self, images: Any) -> Any:
        """Return logits float32 [B, classes], and move the statistics of the normalisation."""
        return self._model(images, training=True)

    def _apply(self, gradients: list[Any], learning_rate: Any) -> None:
        """Update the trainable variables."""
        variables = self._model.trainable_variables
        if self._weight_decay:
            values = [variable.value for variable in variables]
            gradients = [
                gradient + self._weight_decay * value if len(value.shape) > 1 else gradient
                for gradient, value in zip(gradients, values, strict=True)
            ]
        self._optimizer.learning_rate.assign(learning_rate)
        if self._optimizer.momentum:
            self._move_at_once(gradients, variables, learning_rate)
        else:
            self._optimizer.apply(gradients, variables)

    def _move_at_once(
        self, gradients: list[Any], variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """Do what Keras' SGD with momentum does, by its formula, in one pass a variable.

        Keras writes it out in single operations, each of which goes through the memory of all
        parameters.
        """
        optimizer = self._optimizer
        velocities = optimizer.momentums
        for gradient, variable, velocity in zip(gradients, variables, velocities, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.value.handle,
                accum=velocity.value.handle,
                lr=learning_rate,
                grad=gradient,
                momentum=optimizer.momentum,
                use_nesterov=optimizer.nesterov,
            )
        optimizer.iterations.assign_add(1)

    def _loss(self, logits: Any, inputs: StepInputs) -> Any:
        classes = logits.shape[-1]
        smooth = self._label_smoothing
        shares = inputs.shares[:, None]
        hard = shares * tf.one_hot(inputs.labels, classes)
        hard += (1.0 - shares) * tf.one_hot(inputs.partners, classes)
        targets = hard * (1.0 - smooth) + smooth / classes
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))

    def _averaged(self, gradients: list[Any], facts: Any) -> tuple[list[Any], Any]:
        """Average gradients and facts over the ranks, and the statistics in place."""
        if self._meet is None:
            return gradients, facts
        statistics = [variable.value for variable in moving_statistics(self._model)]
        gradients, others = self._meet(gradients, [facts, *statistics])
        for mine, mean in zip(statistics, others[1:], strict=True):
            mine.assign(mean)
        return gradients, others[0]

    def _follow(self) -> None:
        """Move the average towards the weights; slowly only once many steps have been seen."""
        if self._average is None:
            return
        decay = self._decay()
        changing = {id(item) for item in self._model.trainable_variables}
        changing |= {id(item) for item in moving_statistics(self._model)}
        for mean, current in zip(self._average.variables, self._model.variables, strict=True):
            if id(current) not in changing:
                continue
            mean.value.assign_sub((1.0 - decay) * (mean.value - current.value))

    def _decay(self) -> Any:
        """Return the part of the average that stays, float32."""
        seen = tf.cast(self._optimizer.iterations.value, tf.float32)
        return tf.minimum(self._average_decay, (1.0 + seen) / (10.0 + seen))


def moving_statistics(model: Any) -> list[Any]:
    """Return the Keras variables that steps change without a gradient; frozen layers have none."""
    return [
        variable
        for layer in model.layers
        if layer.trainable
        for variable in layer.non_trainable_variables
    ]
