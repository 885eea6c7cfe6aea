"""The folder that is published: SavedModel, its ONNX translation and the names of the classes.

- `saved_model.pb`, `variables/`: the SavedModel; its `serving_default` takes `image` uint8
  [N, 64, 64, 3] and returns `probabilities` float32 [N, classes]
- `model.onnx`: the same in ONNX, opset 18
- `classes.json`: [{"wnid", "label", "names"}, …] in the order of outputs
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from imaging import IMAGE_SHAPE
from training.backend import tf
from training.classes import write_classes
from training.data.layout import ClassName
from training.model import Architecture, build_model, copy_weights
from training.signature import INPUT, NAME, ONNX, OUTPUT
from training.translation import translate


def export(
    model: Any,
    architecture: Architecture,
    classes: tuple[ClassName, ...],
    folder: Path,
    *,
    temperature: float = 1.0,
) -> None:
    """Write the export of a trained model to `folder`, replacing what is there.

    Always float32, whatever precision trained it: that is what every server computes in. Its
    probabilities are softmax(logits / temperature). Written beside and renamed at the end. Raises
    ExportError when the translation to ONNX fails.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        save_model(model, architecture, partial, temperature=temperature)
        translate(partial, partial / ONNX)
        write_classes(partial, classes)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_model(
    model: Any, architecture: Architecture, folder: Path, *, temperature: float = 1.0
) -> None:
    """Write a SavedModel with the weights of `model` and the stable signature."""
    plain = build_model(architecture, precision="float32", seed=0)
    copy_weights(model, plain)
    servable = _Servable(plain, temperature)
    signature = servable.serve.get_concrete_function()
    tf.saved_model.save(servable, str(folder), signatures={NAME: signature})


def _cooler(logits: Any, temperature: float) -> Any:
    """Return logits / temperature; without a temperature, the graph has no operation for it."""
    return logits if temperature == 1.0 else logits * (1.0 / temperature)


class _Servable(tf.Module):
    """Gives the SavedModel its names, and the softmax that training leaves to the loss."""

    def __init__(self, model: Any, temperature: float) -> None:
        super().__init__()
        # Only what is an attribute here is saved, and each variable is to be saved once.
        self.weights = [variable.value for variable in model.variables]
        self.compute = tf.autograph.experimental.do_not_convert(
            lambda image: tf.nn.softmax(_cooler(model(image, training=False), temperature))
        )

    @tf.function(input_signature=[tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8, name=INPUT)])
    def serve(self, image: Any) -> dict[str, Any]:
        return {OUTPUT: self.compute(image)}
