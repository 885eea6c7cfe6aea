"""The process that translates a SavedModel to ONNX: `python -m training.translator MODEL TARGET`.

It ends as soon as its standard input does, which is a pipe from whoever started it. TensorFlow is
imported when that is listened to already.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from training.signature import NAME, SAVED_MODEL

OPSET = 18
_SERVE = "serve"


def translate(saved_model: Path, target: Path) -> None:
    """Write the SavedModel's `serving_default` as ONNX.

    What `python -m tf2onnx.convert` does and the same bytes, in half of the time and memory: it
    writes the weights into more than twenty copies of the graph on the way.
    """
    import tensorflow as tf
    from tf2onnx.tf_utils import compress_graph_def
    from tf2onnx.tfonnx import process_tf_graph

    graph, inputs, outputs, tables, names = _frozen(saved_model)
    weights = compress_graph_def(graph)
    with tf.device("/cpu:0"), tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
        del graph
        translated = process_tf_graph(
            imported,
            opset=OPSET,
            input_names=inputs,
            output_names=outputs,
            tensors_to_rename=names,
            initialized_tables=tables,
            const_node_values=weights,
        )
    weights.clear()
    model = _optimized(translated).make_model(f"translated from {SAVED_MODEL}")
    target.write_bytes(model.SerializeToString())


def _frozen(saved_model: Path) -> tuple[Any, list[str], list[str], Any, dict[str, str]]:
    """Return the graph with its weights as constants, its inputs and outputs, and their names.

    `large_model` leaves out a second freezing of the graph, and also what folds constants; that
    is made up for here.
    """
    import tensorflow as tf
    from tf2onnx import tf_loader

    graph, inputs, outputs, tables, names = tf_loader.from_saved_model(
        str(saved_model),
        None,
        None,
        tag=[_SERVE],
        signatures=[NAME],
        large_model=True,
        return_initialized_tables=True,
        return_tensors_to_rename=True,
    )
    with tf.Graph().as_default():
        graph = tf_loader.tf_optimize(inputs, outputs, graph)
    return graph, inputs, outputs, tables, names


def _optimized(graph: Any) -> Any:
    """Return the graph without what inference doesn't need.

    Each of the two dozen passes ends with `update_proto`, which writes all weights once more into
    protobuf messages that never give back what they hold. `make_model` writes them anyway.
    """
    from tf2onnx import optimizer

    graph.update_proto = lambda: None
    # An error in a pass is to be raised; else each pass begins with a copy of all weights.
    optimized = optimizer.optimize_graph(graph, catch_errors=False)
    del graph.update_proto
    return optimized


def _end_with_stdin() -> None:
    # Unbuffered: Python can't shut down while another thread holds the lock of a buffer.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    translate(Path(sys.argv[1]), Path(sys.argv[2]))
