"""A real ONNX model of a few kilobytes with the signature of a published version.

It answers with the channel means of the image through one dense layer, so answers depend on the
image, and version N favours class N, so an answer tells which version gave it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 200
WEIGHT = 0.008
FAVOUR = 9.0


def tiny_model(version: int, *, classes: int = CLASSES, **names: str) -> onnx.ModelProto:
    """Return the model that favours class `version`; `names` renames `image`, `probabilities`."""
    image, output = names.get("image", "image"), names.get("probabilities", "probabilities")
    weights = np.random.default_rng(0).normal(0, WEIGHT, (3, classes)).astype(np.float32)
    bias = np.zeros(classes, np.float32)
    bias[version % classes] = FAVOUR
    nodes = [
        helper.make_node("Cast", [image], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [output], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(image, TensorProto.UINT8, ["n", 64, 64, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", classes])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def model_that_fails_on_white(version: int) -> onnx.ModelProto:
    """Return the same model, except that a run with a white image in it is an error.

    It looks the darkest pixel up in a table that ends before 255.
    """
    model = tiny_model(version)
    graph = model.graph
    softmax = graph.node.pop()
    nodes = [
        helper.make_node("ReduceMin", ["pixels", "all_axes"], ["darkest"], keepdims=0),
        helper.make_node("Cast", ["darkest"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["nothing"], axis=0),
        helper.make_node("Unsqueeze", ["nothing", "last_axis"], ["nothings"]),
        helper.make_node("Add", ["logits", "nothings"], ["looked_up"]),
        helper.make_node("Softmax", ["looked_up"], list(softmax.output), axis=1),
    ]
    graph.node.extend(nodes)
    tables: dict[str, np.ndarray] = {
        "table": np.zeros(255, np.float32),
        "all_axes": np.array([1, 2, 3], np.int64),
        "last_axis": np.array([1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(each, name) for name, each in tables.items())
    return model


def write_version(folder: Path, version: int) -> Path:
    """Fill a folder with what a version needs to be published and served."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(tiny_model(version), folder / "model.onnx")
    names = [{"wnid": f"n{n:08d}", "label": f"class {n}"} for n in range(CLASSES)]
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "saved_model.pb").write_bytes(b"not read by the service")
    return folder
