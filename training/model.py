"""ResNet-50 (He et al. 2015, arXiv:1512.03385) for 64×64 images, in Keras 3.

Layer names, strides and epsilon are those of `keras.applications.ResNet50`, so that its weights
can be loaded by name; convolutions have no bias here, as the normalisation after each has one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from imaging import CHANNELS, SIDE
from training.backend import keras
from training.normalisation import AverageMoments, FusedNormalisation, GlobalNormalisation
from training.precision import ComputePrecision

Stem = Literal["imagenet", "stride2", "full"]

# Channel means and deviations of ImageNet's training images, RGB, in units of 0…255. The means are
# those of Keras' published weights, so that these compute here what they compute there.
PIXEL_MEAN = (123.68, 116.779, 103.939)
PIXEL_DEVIATION = (58.395, 57.12, 57.375)

# The last layer; all others are the backbone.
HEAD = "logits"

EPSILON = 1.001e-5
# Statistics that follow the last tens of steps are right after very short runs too.
_STATISTICS_MOMENTUM = 0.9
_BOTTLENECK_EXPANSION = 4


class Architecture(msgspec.Struct, frozen=True):
    """ResNet-50 by default; tests build shallower and narrower ones."""

    classes: int = 200
    stem: Stem = "imagenet"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64


def build_model(
    architecture: Architecture,
    *,
    precision: ComputePrecision,
    seed: int,
    average_moments: AverageMoments | None = None,
    side: int | None = SIDE,
) -> Any:
    """Return a Keras model from uint8 [N, side, side, 3] to logits float32 [N, classes].

    None is images of any size; the variables are the same for all.

    Variables are float32 whatever the precision. Two models of the same architecture have the
    same variables in the same order. The same seed gives the same initial weights. With
    `average_moments` it trains on statistics of the global batch.
    """
    build = _Builder(precision, seed, average_moments)
    image = keras.Input((side, side, CHANNELS), dtype="uint8", name="image")
    x = build.normalised_pixels(image)
    x = _stem(build, x, architecture)
    for stage, depth in enumerate(architecture.depths):
        filters = architecture.width * 2**stage
        for block in range(depth):
            x = _bottleneck(
                build,
                x,
                f"conv{stage + 2}_block{block + 1}",
                filters=filters,
                stride=2 if stage > 0 and block == 0 else 1,
                first=block == 0,
            )
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool", dtype="float32")(x)
    logits = build.dense(x, architecture.classes, HEAD)
    return keras.Model(image, logits, name="resnet50")


def copy_weights(source: Any, target: Any) -> None:
    """Give `target` the values of all variables of `source`, a model of the same architecture."""
    for mine, theirs in zip(target.variables, source.variables, strict=True):
        mine.assign(theirs.value)


class _Builder:
    """Layers with this model's precision, epsilon and seeds."""

    def __init__(
        self, precision: ComputePrecision, seed: int, average_moments: AverageMoments | None
    ) -> None:
        self._policy = precision
        self._seed = seed
        self._norm: Callable[..., Any] = FusedNormalisation
        if average_moments is not None:
            self._norm = functools.partial(GlobalNormalisation, average_moments)
        self._seeds = 0

    def normalised_pixels(self, image: Any) -> Any:
        deviation = np.array(PIXEL_DEVIATION)
        layer = keras.layers.Rescaling(
            scale=(1.0 / deviation).tolist(),
            offset=(-np.array(PIXEL_MEAN) / deviation).tolist(),
            dtype="float32",
            name="normalise",
        )
        return layer(image)

    def convolution(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        layer = keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(seed=self._next_seed()),
            dtype=self._policy,
            name=f"{name}_conv",
        )
        return layer(x)

    def norm(self, x: Any, name: str, *, gamma: str = "ones") -> Any:
        layer = self._norm(
            epsilon=EPSILON,
            momentum=_STATISTICS_MOMENTUM,
            gamma_initializer=gamma,
            dtype=self._policy,
            name=f"{name}_bn",
        )
        return layer(x)

    def relu(self, x: Any, name: str) -> Any:
        return keras.layers.ReLU(name=name, dtype=self._policy)(x)

    def pad(self, x: Any, pixels: int, name: str) -> Any:
        return keras.layers.ZeroPadding2D(pixels, name=name, dtype=self._policy)(x)

    def halve(self, x: Any, name: str) -> Any:
        return keras.layers.MaxPooling2D(3, strides=2, name=name, dtype=self._policy)(x)

    def add(self, x: Any, shortcut: Any, name: str) -> Any:
        return keras.layers.Add(name=name, dtype=self._policy)([shortcut, x])

    def dense(self, x: Any, units: int, name: str) -> Any:
        start = keras.initializers.RandomNormal(stddev=0.01, seed=self._next_seed())
        return keras.layers.Dense(units, kernel_initializer=start, dtype="float32", name=name)(x)

    def _next_seed(self) -> int:
        self._seeds += 1
        return self._seed * 1000 + self._seeds


def _stem(build: _Builder, image: Any, architecture: Architecture) -> Any:
    """Return 16×16 (`imagenet`), 32×32 (`stride2`) or 64×64 (`full`) features."""
    if architecture.stem == "full":
        x = build.convolution(image, architecture.width, 3, 1, "conv1")
    else:
        x = build.pad(image, 3, "conv1_pad")
        x = build.convolution(x, architecture.width, 7, 2, "conv1")
    x = build.relu(build.norm(x, "conv1"), "conv1_relu")
    if architecture.stem == "imagenet":
        x = build.pad(x, 1, "pool1_pad")
        x = build.halve(x, "pool1_pool")
    return x


def _bottleneck(
    build: _Builder, x: Any, name: str, *, filters: int, stride: int, first: bool
) -> Any:
    """1×1 (with the stride), 3×3, 1×1 and the shortcut around them.

    The last normalisation starts at zero, so that each block starts as the identity (Goyal et al.
    2017, arXiv:1706.02677).
    """
    wide = filters * _BOTTLENECK_EXPANSION
    shortcut = x
    if first:
        shortcut = build.norm(build.convolution(x, wide, 1, stride, f"{name}_0"), f"{name}_0")
    x = build.convolution(x, filters, 1, stride, f"{name}_1")
    x = build.relu(build.norm(x, f"{name}_1"), f"{name}_1_relu")
    x = build.convolution(x, filters, 3, 1, f"{name}_2")
    x = build.relu(build.norm(x, f"{name}_2"), f"{name}_2_relu")
    x = build.convolution(x, wide, 1, 1, f"{name}_3")
    x = build.norm(x, f"{name}_3", gamma="zeros")
    return build.relu(build.add(x, shortcut, f"{name}_add"), f"{name}_out")
