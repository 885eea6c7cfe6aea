"""Gives a SavedModel made by somebody else the names that every published version has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from training.backend import tf
from training.conversion.foreign import Foreign
from training.data.drawing import all_kinds, draw
from training.data.prepared import Split
from training.errors import ExportError
from training.evaluation.compare import MAX_DIFFERENCE
from training.evaluation.evaluate import Predict
from training.signature import INPUT, NAME, OUTPUT

# float32 rounds each of a few hundred summands.
_SUM_TOLERANCE = 1e-3
# A drawn one and the extremes, which differ most from the rest of their batch.
_ALONE = (0, 200, 201, 202)


def adopt(foreign: Foreign, class_count: int, folder: Path) -> None:
    """Write the model to `folder` with `serving_default`: image → probabilities.

    Loading is all that is done with it here. Raises ExportError when it can't be loaded, called
    with images or written again.
    """
    try:
        loaded = tf.saved_model.load(str(foreign.folder))
        adopted = _Adopted(loaded, foreign, class_count)
        signature = adopted.serve.get_concrete_function()
        tf.saved_model.save(adopted, str(folder), signatures={NAME: signature})
    except Exception as error:  # noqa: BLE001 what a stranger's model can raise has no other base
        raise ExportError(f"{foreign.folder}: can't be used: {_brief(error)}") from None


class _Adopted(tf.Module):
    def __init__(self, loaded: Any, foreign: Foreign, class_count: int) -> None:
        super().__init__()
        # Only what is an attribute is saved; the signature's variables are in what was loaded.
        self.loaded = loaded
        self.function = loaded.signatures[foreign.signature]
        self.names = (foreign.input.name, foreign.output.name)
        self.class_count = class_count

    @tf.function(input_signature=[tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8, name=INPUT)])
    def serve(self, image: Any) -> dict[str, Any]:
        taken, returned = self.names
        probabilities = self.function(**{taken: image})[returned]
        probabilities.set_shape((None, self.class_count))
        return {OUTPUT: probabilities}


def samples() -> Split:
    """Return images to try a model on: each drawn kind once, black, white and noise.

    What they show is of no class of the model, so their labels mean nothing.
    """
    generator = np.random.default_rng(0)
    images = [draw(kind, generator)[0] for kind in all_kinds()]
    images += [np.full(IMAGE_SHAPE, value, np.uint8) for value in (0, 255)]
    images.append(generator.integers(0, 256, IMAGE_SHAPE, np.uint8))
    return Split(images=np.stack(images), labels=np.zeros(len(images), np.int32))


def check_behaviour(predict: Predict, class_count: int) -> None:
    """Raise ExportError unless each image gets probabilities, whatever is in its batch."""
    images = samples().images
    try:
        together = predict(images)
        alone = np.concatenate([predict(images[index : index + 1]) for index in _ALONE])
    except Exception as error:  # noqa: BLE001 as in `adopt`
        raise ExportError(f"the model fails on images: {_brief(error)}") from None
    check_probabilities(together, images=len(images), class_count=class_count)
    difference = float(np.abs(together[list(_ALONE)] - alone).max())
    if not difference <= MAX_DIFFERENCE:
        raise ExportError(
            f"the model's answers change by up to {difference:.2g} with the other images in the"
            " batch or from call to call; export it for inference (training=False)"
        )


def check_probabilities(answers: NDArray[np.float32], *, images: int, class_count: int) -> None:
    """Raise ExportError unless answers are float32 [images, class_count], each row summing to 1."""
    if answers.shape != (images, class_count):
        raise ExportError(
            f"the model answers {list(answers.shape)} for {images} images, but {class_count}"
            " classes are named"
        )
    if not np.isfinite(answers).all():
        raise ExportError("the model answers with NaN or infinity for some images")
    sums = answers.sum(axis=1, dtype=np.float64)
    if answers.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise ExportError(
            f"the model's answers aren't probabilities: values from {answers.min():.3g} to"
            f" {answers.max():.3g}, sums from {sums.min():.3g} to {sums.max():.3g}; add a softmax"
            " to the graph"
        )


def _brief(error: Exception) -> str:
    first_line = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: {first_line}"
