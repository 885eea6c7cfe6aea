"""Run what an export holds, the way a server would: SavedModel and ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from imaging import IMAGE_SHAPE
from training.backend import tf
from training.errors import ExportError
from training.evaluation.evaluate import Predict
from training.signature import INPUT, NAME, OUTPUT


def open_saved_model(folder: Path) -> Predict:
    """Return the SavedModel's serving function. Raises ExportError when there is none."""
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures[NAME]
    except (OSError, KeyError, ValueError) as error:
        raise ExportError(f"{folder}: not a SavedModel with {NAME}: {error}") from None

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        # `loaded` must live as long as its function: it holds the variables.
        assert loaded is not None  # noqa: S101
        probabilities: NDArray[np.float32] = serve(**{INPUT: tf.constant(images)})[OUTPUT].numpy()
        return probabilities

    return predict


def open_onnx(file: Path) -> Predict:
    """Return the ONNX model as a function. Raises ExportError for another signature than ours."""
    try:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 ONNX Runtime's errors share no other base
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        raise ExportError(f"{file}: not a usable ONNX model: {first_line}") from None
    check_signature(file, session)

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = session.run([OUTPUT], {INPUT: images})[0]
        return probabilities

    return predict


def check_signature(file: Path, session: onnxruntime.InferenceSession) -> None:
    """Raise ExportError unless it is image uint8 [N, 64, 64, 3] → probabilities float32 [N, C]."""
    inputs = [(item.name, item.type, list(item.shape)) for item in session.get_inputs()]
    outputs = [(item.name, item.type, list(item.shape)) for item in session.get_outputs()]
    right = (
        [item[:2] for item in inputs] == [(INPUT, "tensor(uint8)")]
        and [item[:2] for item in outputs] == [(OUTPUT, "tensor(float)")]
        and inputs[0][2][1:] == list(IMAGE_SHAPE)
        and len(outputs[0][2]) == 2
        and not isinstance(inputs[0][2][0], int)
        and not isinstance(outputs[0][2][0], int)
    )
    if not right:
        raise ExportError(f"{file}: has the signature {inputs} → {outputs}")
