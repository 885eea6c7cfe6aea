"""int8 for processors: static quantization by ONNX Runtime's own tools.

- Activations are uint8 with a range each, weights int8 with a scale for each output channel;
  quantize–dequantize pairs say so in the graph, and ONNX Runtime fuses them into integer
  operations.
- The first and the last layer compute in float32, as do the scaling of pixels, the mean over
  places and the softmax: they are a few percent of the work and most of what is lost otherwise.
- Input, output and batch size are those of `model.onnx`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training.errors import ExportError
from training.progress import Bars
from training.variants.calibration_images import CalibrationImages
from training.variants.graph import consumers, planes_before_arithmetic, pool_before_relu
from training.variants.settings import Method, Quantization

_METHODS: dict[Method, str] = {
    "percentile": "Percentile",
    "entropy": "Entropy",
    "minmax": "MinMax",
}
# What integer operations exist for and a residual network consists of.
_QUANTIZED = ["Conv", "Relu", "MaxPool", "Add"]
_LAST = {"Gemm", "MatMul"}


def quantize(
    source: Path,
    target: Path,
    images: NDArray[np.uint8],
    quantization: Quantization,
    bars: Bars,
) -> None:
    """Write the int8 variant of the ONNX model at `source`, its ranges found by these images.

    Half a minute for ResNet-50 with the stem `imagenet` and 512 images. Raises ExportError for a
    network without convolutions, and for one that can't be quantized.
    """
    with tempfile.TemporaryDirectory(prefix="hotshelf-") as place, _quietly():
        prepared = Path(place) / "prepared.onnx"
        try:
            in_float = _prepare(source, prepared)
            with bars.open("calibrating int8", total=len(images), unit="images") as bar:
                _quantize(
                    prepared,
                    Path(place) / "int8.onnx",
                    CalibrationImages(images, bar),
                    quantization,
                    in_float=in_float,
                )
            model = onnx.load(Path(place) / "int8.onnx")
        except ExportError:
            raise
        except Exception as error:
            first_line = (str(error).splitlines() or ["no reason given"])[0]
            raise ExportError(
                f"{source}: quantizing failed: {type(error).__name__}: {first_line}"
            ) from error
    forget_unused_domains(model)
    target.write_bytes(model.SerializeToString())


def _prepare(source: Path, prepared: Path) -> list[str]:
    """Fold what can be folded and write down all shapes; return the nodes that stay in float."""
    from onnxruntime.quantization.preprocess import quant_pre_process

    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    model = onnx.load(prepared)
    pool_before_relu(model.graph)
    planes_before_arithmetic(model.graph)
    in_float = float_nodes(model.graph, str(source))
    onnx.save(onnx.shape_inference.infer_shapes(model), prepared)
    return in_float


def float_nodes(graph: onnx.GraphProto, where: str) -> list[str]:
    """Return the names of the nodes of the first and the last layer, and of those outside of them.

    The first layer is a convolution with the pool and the ReLU after it. Raises ExportError when
    there are no convolutions between the two. Nodes of a graph are in the order of computation.
    """
    nodes = list(graph.node)
    convolutions = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    layers = [place for place, node in enumerate(nodes) if node.op_type in _LAST]
    last = layers[-1] if layers else len(nodes)
    if len([place for place in convolutions if place < last]) < 2:
        raise ExportError(
            f"{where}: has no convolutions between its first and its last layer to quantize"
        )
    first = nodes[convolutions[0]]
    after, output = [], first.output[0]
    while [node.op_type for node in consumers(nodes, output)] in (["Relu"], ["MaxPool"]):
        (node,) = consumers(nodes, output)
        after.append(node)
        output = node.output[0]
    outside = [*nodes[: convolutions[0] + 1], *after, *nodes[last:]]
    return [node.name for node in outside]


def _quantize(
    prepared: Path,
    target: Path,
    reader: CalibrationImages,
    quantization: Quantization,
    *,
    in_float: list[str],
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        prepared,
        target,
        reader,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_QUANTIZED,
        nodes_to_exclude=in_float,
        per_channel=True,
        reduce_range=quantization.reduce_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=getattr(CalibrationMethod, _METHODS[quantization.method]),
        extra_options={
            # For every method, in spite of its name: so many images are held in memory at once.
            "CalibStridedMinMax": reader.stride,
            "CalibTensorRangeSymmetric": False,
            "CalibPercentile": quantization.percentile,
        },
    )


def forget_unused_domains(model: onnx.ModelProto) -> None:
    """Leave out of the model what operators it says to need but doesn't use.

    ONNX Runtime's tools write all that they know, some of which other readers don't.
    """
    used = {node.domain for node in model.graph.node}
    kept = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what the tools print and log, which says nothing to users, from stdout and stderr."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
