"""`/metadata`: the model's signature, as TensorFlow Serving writes a SavedModel's."""

from __future__ import annotations

from typing import Any

from imaging import IMAGE_SHAPE
from service.web.served_model import INPUT, OUTPUT

SIGNATURE = "serving_default"
METHOD = "tensorflow/serving/predict"


def model_metadata(model: str, version: int, classes: int) -> dict[str, Any]:
    """Return the signature of a version with so many classes; numbers are strings, as in JSON of
    protocol buffers.
    """
    signature = {
        "inputs": {INPUT: _tensor("DT_UINT8", (-1, *IMAGE_SHAPE), f"{SIGNATURE}_{INPUT}:0")},
        "outputs": {OUTPUT: _tensor("DT_FLOAT", (-1, classes), "StatefulPartitionedCall:0")},
        "method_name": METHOD,
        "defaults": {},
    }
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }


def _tensor(dtype: str, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": name,
    }
