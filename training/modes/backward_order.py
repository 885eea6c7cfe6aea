"""The order in which a backward pass computes what depends on nothing but the same error.

A convolution's error is needed for two things: the gradient of its kernel, which can then travel to
the other ranks, and the error of the layer below. TensorFlow takes them in any order; with one
thread it is the latter first, all the way down, so that gradients leave together at the end, and
the memory of all layers is kept until then.
"""

from __future__ import annotations

from typing import Any


def kernels_before_lower_layers(graph: Any) -> None:
    """Have each convolution of the graph compute its kernel's gradient first."""
    operations = graph.get_operations()
    kernel_gradients = {
        _error(each): each for each in operations if each.type == "Conv2DBackpropFilter"
    }
    for each in operations:
        first = kernel_gradients.get(_error(each)) if each.type == "Conv2DBackpropInput" else None
        if first is not None:
            # TensorFlow has no other way to order operations that are there already.
            each._add_control_input(first)


def _error(operation: Any) -> Any:
    """Return the identity of the gradient that an operation of the backward pass begins with."""
    return operation.inputs[2].ref() if len(operation.inputs) > 2 else None
