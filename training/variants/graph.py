"""Rewritings of an ONNX graph that change no result, so that what stays in float costs little.

Each looks for one pattern, of which it rewrites what it finds; other graphs stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper

_TO_PLANES = [0, 3, 1, 2]
_ARITHMETIC = {"Cast", "Mul", "Add", "Sub", "Div"}


def pool_before_relu(graph: onnx.GraphProto) -> None:
    """Turn each ReLU → max-pool into max-pool → ReLU: the largest of max(x, 0) is max(largest, 0).

    A quantization after it then stays after it. ONNX Runtime would move it before a max-pool, for
    which it has fast code in float and for channels last, but not for planes of uint8.
    """
    nodes = list(graph.node)
    for place, relu in enumerate(nodes):
        following = consumers(nodes, relu.output[0])
        if relu.op_type != "Relu" or [node.op_type for node in following] != ["MaxPool"]:
            continue
        pool = following[0]
        before, after = relu.input[0], pool.output[0]
        pool.input[0], pool.output[0] = before, f"{after}_before_relu"
        relu.input[0], relu.output[0] = pool.output[0], after
        other = nodes.index(pool)
        nodes[place], nodes[other] = pool, relu
    _replace_nodes(graph, nodes)


def planes_before_arithmetic(graph: onnx.GraphProto) -> None:
    """Turn pixels into planes before they are scaled, where that is done after it.

    An addition of three numbers to pixels of three channels has a loop of length three inside, one
    to planes has a loop over pixels.
    """
    nodes = list(graph.node)
    transpose = next((node for node in nodes if node.op_type == "Transpose"), None)
    if transpose is None or list(transpose.attribute[0].ints) != _TO_PLANES:
        return
    chain = nodes[: nodes.index(transpose)]
    image = graph.input[0].name
    constants = {item.name: item for item in graph.initializer}
    used = {name for node in chain for name in node.input if name in constants}
    by_channel = all(np.squeeze(numpy_helper.to_array(constants[name])).ndim <= 1 for name in used)
    if not chain or not by_channel or not _is_chain(image, [*chain, transpose], nodes):
        return
    for name in used:
        values = numpy_helper.to_array(constants[name])
        shaped = values.reshape(-1, 1, 1)
        graph.initializer.append(numpy_helper.from_array(shaped, f"{name}_planes"))
        for node in chain:
            rename_inputs(node, name, f"{name}_planes")
    chain[-1].output[0], transpose.output[0] = transpose.output[0], f"{image}_planes"
    transpose.input[0] = image
    rename_inputs(chain[0], image, transpose.output[0])
    _replace_nodes(graph, [transpose, *(node for node in nodes if node is not transpose)])
    drop_unused_initializers(graph)


def consumers(nodes: Sequence[onnx.NodeProto], name: str) -> list[onnx.NodeProto]:
    """Return the nodes that take what is called `name`."""
    return [node for node in nodes if name in node.input]


def rename_inputs(node: onnx.NodeProto, old: str, new: str) -> None:
    """Have the node take `new` wherever it takes `old`."""
    for place, name in enumerate(node.input):
        if name == old:
            node.input[place] = new


def drop_unused_initializers(graph: onnx.GraphProto) -> None:
    """Leave out the weights that no node takes."""
    used = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _is_chain(
    first_input: str, chain: Sequence[onnx.NodeProto], nodes: Sequence[onnx.NodeProto]
) -> bool:
    """Return whether each takes what the one before gives, to it alone, all but arithmetic last."""
    given = first_input
    for node in chain:
        if consumers(nodes, given) != [node]:
            return False
        if node is not chain[-1] and node.op_type not in _ARITHMETIC:
            return False
        given = node.output[0]
    return True


def _replace_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Give the graph these nodes; shapes that are written down may no longer be right."""
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
