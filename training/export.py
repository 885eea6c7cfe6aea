"""The folder that is published: SavedModel, its ONNX translation and the names of the classes.

- `saved_model.pb`, `variables/`: the SavedModel; its `serving_default` takes `image` uint8
  [N, 64, 64, 3] and returns `probabilities` float32 [N, classes]
- `model.onnx`: the same in ONNX, opset 18
- `classes.json`: [{"wnid", "label", "names"}, …] in the order of outputs
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from imaging import IMAGE_SHAPE
from training.backend import tf
from training.classes import write_classes
from training.data.layout import ClassName
from training.errors import ExportError
from training.model import Architecture, build_model, copy_weights
from training.signature import INPUT, NAME, ONNX, OUTPUT

_OPSET = 18
_SHOWN_LINES = 3


def export(
    model: Any, architecture: Architecture, classes: tuple[ClassName, ...], folder: Path
) -> None:
    """Write the export of a trained model to `folder`, replacing what is there.

    Always float32, whatever precision trained it: that is what every server computes in. Written
    beside and renamed at the end. Raises ExportError when the translation to ONNX fails.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_model(model, architecture, partial)
    translate(partial, partial / ONNX)
    write_classes(partial, classes)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def save_model(model: Any, architecture: Architecture, folder: Path) -> None:
    """Write a SavedModel with the weights of `model` and the stable signature."""
    plain = build_model(architecture, precision="float32", seed=0)
    copy_weights(model, plain)
    servable = _Servable(plain)
    signature = servable.serve.get_concrete_function()
    tf.saved_model.save(servable, str(folder), signatures={NAME: signature})


class _Servable(tf.Module):
    """Gives the SavedModel its names, and the softmax that training leaves to the loss."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        # Only what is an attribute here is saved, and each variable is to be saved once.
        self.weights = [variable.value for variable in model.variables]
        self.compute = tf.autograph.experimental.do_not_convert(
            lambda image: tf.nn.softmax(model(image, training=False))
        )

    @tf.function(input_signature=[tf.TensorSpec((None, *IMAGE_SHAPE), tf.uint8, name=INPUT)])
    def serve(self, image: Any) -> dict[str, Any]:
        return {OUTPUT: self.compute(image)}


def translate(saved_model: Path, target: Path) -> None:
    """Translate a SavedModel to ONNX; 12 s and 4.5 GB of memory for ResNet-50.

    In a process of its own, because tf2onnx changes TensorFlow's global state.
    """
    command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(saved_model)]
    command += ["--signature_def", NAME, "--opset", str(_OPSET), "--output", str(target)]
    # Without this, tf2onnx copies the whole model before each of its optimizations, to survive one
    # that fails: twice the time and memory for the same bytes.
    environment = os.environ | {"TF2ONNX_CATCH_ERRORS": "FALSE"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0 or not target.exists():
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise ExportError("the translation to ONNX failed: " + " | ".join(lines[-_SHOWN_LINES:]))
