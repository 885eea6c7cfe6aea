"""What a model costs: parameters, multiplications and activations, counted layer by layer."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from training.backend import keras
from training.normalisation import FusedNormalisation

_FLOAT32 = 4


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one model.

    `forward_macs` and `backward_macs` are multiply-accumulates an image; `activation_bytes` an
    image is what a training step keeps from the forward for the backward pass.
    """

    parameters: int
    trainable_parameters: int
    forward_macs: int
    backward_macs: int
    activation_bytes: int

    @property
    def forward_flops(self) -> int:
        """Return the floating-point operations of an image's forward pass: two a MAC."""
        return 2 * self.forward_macs

    @property
    def step_flops(self) -> int:
        """Return the floating-point operations of an image in a training step."""
        return 2 * (self.forward_macs + self.backward_macs)


def cost_of(model: Any) -> ModelCost:
    """Count a Keras model whose layers come one after the other, as built.

    A convolution to H×W×C_out from C_in channels with a k×k kernel has H·W·C_out·k²·C_in MACs, a
    dense layer C_in·C_out; all else is left out, as usual (He et al. 2015, arXiv:1512.03385,
    table 1). The backward pass has as many again for the gradient of the kernel, where it is
    trained, and as many for the gradient of the input, where anything before is trained: about
    twice the forward pass.
    """
    forward = backward = activations = 0
    trained_before = False
    for layer in model.layers:
        macs = _macs(layer)
        trained = bool(layer.trainable_weights)
        forward += macs
        backward += macs * (trained + trained_before)
        trained_before |= trained
        if trained_before:
            activations += _kept_bytes(layer)
    return ModelCost(
        parameters=_count(model.variables),
        trainable_parameters=_count(model.trainable_variables),
        forward_macs=forward,
        backward_macs=backward,
        activation_bytes=activations,
    )


def _macs(layer: Any) -> int:
    if isinstance(layer, keras.layers.Conv2D):
        _, height, width, _ = layer.output.shape
        return height * width * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    return 0


def _kept_bytes(layer: Any) -> int:
    """Return the bytes an image that the gradient of this layer needs kept.

    The gradient of a normalisation needs its input, in float32 unless a fused kernel does it; that
    of a ReLU needs its output, which is the next convolution's input too; padding makes a copy for
    a convolution to keep.
    """
    elements = math.prod(layer.output.shape[1:])
    width = 2 if layer.compute_dtype == "bfloat16" else _FLOAT32
    if isinstance(layer, keras.layers.BatchNormalization):
        return elements * (width if type(layer) is FusedNormalisation else _FLOAT32)
    if isinstance(
        layer, (keras.layers.ReLU, keras.layers.ZeroPadding2D, keras.layers.MaxPooling2D)
    ):
        return elements * width
    return 0


def _count(variables: list[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
