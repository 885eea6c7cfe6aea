"""What every published version looks like from outside: names of files, inputs and outputs."""

from __future__ import annotations

from imaging import IMAGE_SHAPE
from model_store import Signature, TensorSpec

SAVED_MODEL = "saved_model.pb"
ONNX = "model.onnx"
CLASSES = "classes.json"

NAME = "serving_default"
INPUT = "image"
OUTPUT = "probabilities"


def signature(class_count: int) -> Signature:
    """Return image uint8 [N, 64, 64, 3] → probabilities float32 [N, class_count]."""
    return Signature(
        name=NAME,
        inputs=(TensorSpec(name=INPUT, dtype="uint8", shape=(None, *IMAGE_SHAPE)),),
        outputs=(TensorSpec(name=OUTPUT, dtype="float32", shape=(None, class_count)),),
    )
