"""The model being trained with all that belongs to it: optimizer and moving average."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE, SIDE
from training.backend import tf
from training.errors import CheckpointError
from training.evaluation.evaluate import Predict
from training.model import HEAD, Architecture, build_model, copy_weights
from training.normalisation import AverageMoments
from training.precision import ComputePrecision
from training.run.checkpoints import Arrays
from training.step import make_optimizer


class Trainee(msgspec.Struct, frozen=True):
    """A Keras model, its optimizer, and a second model that follows as its moving average."""

    model: Any
    optimizer: Any
    average: Any | None

    @property
    def result(self) -> Any:
        """Return the model to evaluate and export: the average where there is one."""
        return self.model if self.average is None else self.average

    @property
    def variables(self) -> list[Any]:
        """Return all Keras variables: those of the model, the optimizer and the average."""
        return [variable for _, variable in self._variables()]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return every variable under a stable name, copied."""
        return {name: np.array(variable.numpy()) for name, variable in self._variables()}

    def restore(self, arrays: Arrays) -> None:
        """Take over every variable. Raises CheckpointError when names or shapes don't match."""
        variables = dict(self._variables())
        missing = sorted(variables.keys() ^ arrays.keys())
        if missing:
            raise CheckpointError(
                f"the checkpoint is of another model: {missing[0]} and {len(missing) - 1} more "
                "variables are only in one of them"
            )
        for name, variable in variables.items():
            if tuple(variable.shape) != arrays[name].shape:
                raise CheckpointError(
                    f"the checkpoint is of another model: {name} has shape {arrays[name].shape}, "
                    f"expected {tuple(variable.shape)}"
                )
        for name, variable in variables.items():
            variable.assign(arrays[name])

    def _variables(self) -> list[tuple[str, Any]]:
        named = [(f"model/{variable.path}", variable) for variable in self.model.variables]
        named += [(f"optimizer/{variable.path}", variable) for variable in self.optimizer.variables]
        if self.average is not None:
            named += [(f"average/{item.path}", item) for item in self.average.variables]
        return named


def make_trainee(
    architecture: Architecture,
    *,
    precision: ComputePrecision,
    seed: int,
    momentum: float,
    with_average: bool,
    frozen: bool = False,
    average_moments: AverageMoments | None = None,
    side: int | None = SIDE,
) -> Trainee:
    """Return a trainee with initial weights; the average starts where the model does.

    `frozen` fixes all but the last layer. `average_moments` and `side`, of the images to train on,
    are for `training.model.build_model`; the average is always of 64.
    """
    model = build_model(
        architecture,
        precision=precision,
        seed=seed,
        average_moments=average_moments,
        side=side,
    )
    if frozen:
        freeze_backbone(model)
    optimizer = make_optimizer(momentum=momentum)
    optimizer.build(model.trainable_variables)
    average = None
    if with_average:
        average = build_model(architecture, precision=precision, seed=seed)
        copy_weights(model, average)
    return Trainee(model=model, optimizer=optimizer, average=average)


def freeze_backbone(model: Any) -> None:
    """Fix all but the last layer: its weights, and normalisation by the statistics it has."""
    for layer in model.layers:
        layer.trainable = layer.name == HEAD


def predictor(model: Any) -> Predict:
    """Return a function from uint8 [N, 64, 64, 3] to probabilities float32 [N, classes]."""
    signature = [tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8)]
    compiled = tf.function(
        lambda image: tf.nn.softmax(model(image, training=False)), input_signature=signature
    )

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = compiled(images).numpy()
        return probabilities

    return predict
