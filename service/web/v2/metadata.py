"""What the dialect says about server and model."""

from __future__ import annotations

from typing import Any

from imaging import IMAGE_SHAPE
from service.ipc.messages import EngineState
from service.web.served_model import INPUT, OUTPUT
from service.web.v2.tensors import PIXELS

SERVER = "hotshelf"
EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
)


def server_metadata(release: str, device: str | None) -> dict[str, Any]:
    """Return the server's name, version and extensions, and on what it computes if known."""
    about: dict[str, Any] = {"name": SERVER, "version": release, "extensions": EXTENSIONS}
    if device is not None:
        about["device"] = device
    return about


def available(state: EngineState) -> list[str]:
    """Return the versions that answer, as text, ascending."""
    return [str(each.version) for each in state.versions if each.state == "AVAILABLE"]


def model_metadata(model: str, versions: list[str], classes: int) -> dict[str, Any]:
    """Return the tensors of a version with so many classes.

    The input is shown as pixels, the form every client can tell the size of; encoded images are
    taken under the same name as BYTES.
    """
    return {
        "name": model,
        "versions": versions,
        "platform": "onnx_onnxv1",
        "inputs": [{"name": INPUT, "datatype": PIXELS, "shape": [-1, *IMAGE_SHAPE]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, classes]}],
    }


def model_config(model: str, max_images: int, classes: int) -> dict[str, Any]:
    """Return the configuration in Triton's shape, whose clients read formats and limits in it."""
    image = {
        "name": INPUT,
        "data_type": f"TYPE_{PIXELS}",
        "format": "FORMAT_NHWC",
        "dims": IMAGE_SHAPE,
        "is_shape_tensor": False,
        "allow_ragged_batch": False,
        "optional": False,
    }
    output = {
        "name": OUTPUT,
        "data_type": "TYPE_FP32",
        "dims": [classes],
        "label_filename": "",
        "is_shape_tensor": False,
    }
    return {
        "name": model,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": max_images,
        "input": [image],
        "output": [output],
        "default_model_filename": "model.onnx",
        "parameters": {},
    }
