"""fp16 for GPUs: half the bytes; all layers compute in float16, pixels and softmax in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.errors import ExportError
from training.variants.graph import drop_unused_initializers, rename_inputs

_LAYERS = {"Conv", "Gemm", "MatMul"}
_HALF = "_half"
_FULL = "_full"


def halve(source: Path, target: Path) -> None:
    """Write the fp16 variant of the ONNX model at `source`; input and output stay as they are.

    Raises ExportError for weights beyond 65,504, which float16 has no number for, and for a
    network with operations whose types don't follow their input's.
    """
    model = onnx.load(source)
    nodes = list(model.graph.node)
    layers = [place for place, node in enumerate(nodes) if node.op_type in _LAYERS]
    if not layers:
        raise ExportError(f"{source}: has no layer to compute in float16")
    first = layers[0]
    last = next(
        (place for place, node in enumerate(nodes) if node.op_type == "Softmax"), len(nodes) - 1
    )
    inside = nodes[first:last]
    _halve_weights(model.graph, inside, str(source))
    entering = _casts_before(inside, [item.name for item in model.graph.initializer])
    leaving = _casts_after(inside, nodes[last:])
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:first], *entering, *inside, *leaving, *nodes[last:]])
    del model.graph.value_info[:]  # of float32
    drop_unused_initializers(model.graph)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # noqa: BLE001 the checker's errors share no base
        first_line = (str(error).splitlines() or ["no reason given"])[0]
        raise ExportError(f"{source}: can't be computed in float16: {first_line}") from None
    target.write_bytes(model.SerializeToString())


def _halve_weights(graph: onnx.GraphProto, inside: Sequence[onnx.NodeProto], where: str) -> None:
    """Give the nodes inside float16 copies of their float32 weights."""
    used = {name for node in inside for name in node.input}
    floats = [
        item
        for item in graph.initializer
        if item.name in used and item.data_type == TensorProto.FLOAT
    ]
    for item in floats:
        values = numpy_helper.to_array(item)
        if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
            raise ExportError(f"{where}: {item.name} has weights that float16 has no numbers for")
        halved = numpy_helper.from_array(values.astype(np.float16), item.name + _HALF)
        graph.initializer.append(halved)
        for node in inside:
            rename_inputs(node, item.name, halved.name)


def _casts_before(
    inside: Sequence[onnx.NodeProto], initializers: Sequence[str]
) -> list[onnx.NodeProto]:
    """Have what comes in from other nodes cast to float16."""
    known = {name for node in inside for name in node.output} | set(initializers)
    coming = {name: None for node in inside for name in node.input if name and name not in known}
    for name in coming:
        for node in inside:
            rename_inputs(node, name, name + _HALF)
    return [
        helper.make_node("Cast", [name], [name + _HALF], to=TensorProto.FLOAT16) for name in coming
    ]


def _casts_after(
    inside: Sequence[onnx.NodeProto], after: Sequence[onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Have what goes out to other nodes cast to float32."""
    made = {name for node in inside for name in node.output}
    going = {name: None for node in after for name in node.input if name in made}
    for name in going:
        for node in after:
            rename_inputs(node, name, name + _FULL)
    return [
        helper.make_node("Cast", [name], [name + _FULL], to=TensorProto.FLOAT) for name in going
    ]
