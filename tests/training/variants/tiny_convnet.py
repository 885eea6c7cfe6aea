"""A residual network of a few thousand weights, as the translation to ONNX writes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = 5
_WIDTH = 8


def write_convnet(file: Path, *, pool: bool = True) -> Path:
    """Write it, with a max-pool after its first layer or without, always with the same weights."""
    rng = np.random.default_rng(1)
    weights: dict[str, NDArray[Any]] = {
        "scale": np.array([0.017, 0.0175, 0.0174], np.float32),
        "shift": np.array([-2.1, -2.0, -1.8], np.float32),
        "w1": rng.normal(0, 0.2, (_WIDTH, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.2, (_WIDTH, _WIDTH, 3, 3)).astype(np.float32),
        "w3": rng.normal(0, 0.2, (_WIDTH, _WIDTH, 1, 1)).astype(np.float32),
        "b1": rng.normal(0, 0.2, _WIDTH).astype(np.float32),
        "b2": rng.normal(0, 0.2, _WIDTH).astype(np.float32),
        "w4": rng.normal(0, 2.0, (_WIDTH, CLASSES)).astype(np.float32),
        "b4": np.zeros(CLASSES, np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    make = helper.make_node
    same: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        make("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        make("Mul", ["pixels", "scale"], ["scaled"]),
        make("Add", ["scaled", "shift"], ["normalised"]),
        make("Transpose", ["normalised"], ["planes"], perm=[0, 3, 1, 2]),
        make("Conv", ["planes", "w1", "b1"], ["first"], strides=[2, 2], **same),
        make("Relu", ["first"], ["first_relu"]),
        make("Conv", ["pooled", "w2", "b2"], ["second"], **same),
        make("Relu", ["second"], ["second_relu"]),
        make("Conv", ["second_relu", "w3"], ["third"], kernel_shape=[1, 1]),
        make("Add", ["third", "pooled"], ["sum"]),
        make("Relu", ["sum"], ["sum_relu"]),
        make("ReduceMean", ["sum_relu", "axes"], ["means"], keepdims=0),
        make("MatMul", ["means", "w4"], ["products"]),
        make("Add", ["products", "b4"], ["logits"]),
        make("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    if pool:
        nodes.insert(6, make("MaxPool", ["first_relu"], ["pooled"], strides=[2, 2], **same))
    else:
        for node in nodes:
            node.input[:] = ["first_relu" if name == "pooled" else name for name in node.input]
    graph = helper.make_graph(
        [_named(node) for node in nodes],
        "convnet",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 64, 64, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), file)
    return file


def noise(count: int) -> NDArray[np.uint8]:
    """Images that differ in colour and contrast, uint8 [count, 64, 64, 3]."""
    rng = np.random.default_rng(2)
    base = rng.integers(0, 200, (count, 1, 1, 3))
    return (base + rng.integers(0, 56, (count, 64, 64, 3))).astype(np.uint8)


def _named(node: onnx.NodeProto) -> onnx.NodeProto:
    node.name = f"make_{node.output[0]}"
    return node
