"""A training step for variables that other steps change at the same moment, on other machines.

What Keras does (read, compute, write back) loses the updates that arrive in between, and moves
every variable over the network once for each operation. Here

- each weight is read once and its gradient sent back once; weight decay, momentum and the moving
  average are computed where the variables are,
- an update is one locked operation, or a sum: none is lost, whatever the order,
- what belongs to one step alone (its learning rate) is passed along and not kept in a variable.

A gradient may still be of weights that have moved on since they were read: that is what
asynchronous training means.
"""

from __future__ import annotations

from typing import Any

from training.backend import keras, tf
from training.step import TrainStep


class ConcurrentStep(TrainStep):
    """The same mathematics as `TrainStep`; with one step at a time also the same results."""

    def _logits(self, images: Any) -> Any:
        """Return logits, and let the statistics follow this batch.

        In training, normalisation doesn't use its statistics, so it is given zeros for them:
        what it would then write is this batch's part alone, and that is what is added.
        """
        layers = _normalisations(self._model)
        statistics = [item for layer in layers for item in _statistics(layer)]
        nothing = [(item, tf.zeros(item.shape, item.dtype)) for item in statistics]
        with keras.StatelessScope(state_mapping=nothing) as scope:
            logits = self._model(images, training=True)
        parts = [tf.stop_gradient(scope.get_current_value(item)) for item in statistics]
        momenta = [layer.momentum for layer in layers for _ in _statistics(layer)]
        for item, momentum, part in zip(statistics, momenta, parts, strict=True):
            with _beside(item):
                item.value.assign_sub((1.0 - momentum) * item.value - part)
        return logits

    def _apply(self, gradients: list[Any], learning_rate: Any) -> None:
        """Update the trainable variables by the rule of `keras.optimizers.SGD`."""
        optimizer = self._optimizer
        variables = self._model.trainable_variables
        # Without momentum, the optimizer has no variables for it.
        momenta = optimizer.momentums or [None] * len(variables)
        for variable, gradient, momentum in zip(variables, gradients, momenta, strict=True):
            with _beside(variable):
                self._move(variable, gradient, momentum, learning_rate)
        with _beside(optimizer.iterations):
            optimizer.iterations.value.assign_add(1)

    def _move(self, variable: Any, gradient: Any, momentum: Any | None, rate: Any) -> None:
        if self._weight_decay and len(variable.shape) > 1:
            gradient = gradient + self._weight_decay * variable.value
        weights = variable.value.handle
        if momentum is None:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=weights, alpha=rate, delta=gradient, use_locking=True
            )
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=weights,
            accum=momentum.value.handle,
            lr=rate,
            grad=gradient,
            momentum=self._optimizer.momentum,
            use_locking=True,
            use_nesterov=self._optimizer.nesterov,
        )

    def _follow(self) -> None:
        """Move the average towards the weights."""
        if self._average is None:
            return
        behind = 1.0 - self._decay()
        for mean, current in zip(self._average.variables, self._model.variables, strict=True):
            with _beside(mean):
                mean.value.assign_sub(behind * (mean.value - current.value))


def _normalisations(model: Any) -> list[Any]:
    """Return the layers whose statistics follow the batches; frozen ones keep theirs."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind) and layer.trainable]


def _statistics(layer: Any) -> tuple[Any, Any]:
    return layer.moving_mean, layer.moving_variance


def _beside(variable: Any) -> Any:
    """Return a context whose operations run where the variable is."""
    return tf.device(variable.value.device)
