from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.training.variants.tiny_convnet import noise, write_convnet
from training.errors import ExportError
from training.evaluation.variants import open_onnx
from training.variants.fp16 import halve

IMAGES = noise(5)


def test_fp16_answers_as_float32_does_but_for_rounding(tmp_path: Path) -> None:
    source = write_convnet(tmp_path / "model.onnx")
    halve(source, tmp_path / "model.fp16.onnx")
    expected = open_onnx(source)(IMAGES)
    predict = open_onnx(tmp_path / "model.fp16.onnx")
    for count in (1, 5):
        np.testing.assert_allclose(predict(IMAGES[:count]), expected[:count], atol=2e-3)


def test_every_layer_has_weights_in_float16_and_pixels_and_softmax_are_in_float32(
    tmp_path: Path,
) -> None:
    halve(write_convnet(tmp_path / "model.onnx"), tmp_path / "model.fp16.onnx")
    model = onnx.load(tmp_path / "model.fp16.onnx")
    kinds = {item.name: item.data_type for item in model.graph.initializer}
    halved = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    assert halved == {f"{name}_half" for name in ("w1", "b1", "w2", "b2", "w3", "w4", "b4")}
    assert {name for name, kind in kinds.items() if kind == TensorProto.FLOAT} == {"scale", "shift"}
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    before = next(node for node in model.graph.node if softmax.input[0] in node.output)
    assert (before.op_type, before.attribute[0].i) == ("Cast", TensorProto.FLOAT)


def test_weights_beyond_float16_are_refused_by_name(tmp_path: Path) -> None:
    source = write_convnet(tmp_path / "model.onnx")
    model = onnx.load(source)
    (weights,) = (item for item in model.graph.initializer if item.name == "w2")
    large = numpy_helper.to_array(weights) * np.float32(1e6)
    weights.CopyFrom(numpy_helper.from_array(large, "w2"))
    onnx.save(model, source)
    with pytest.raises(ExportError, match="w2 has weights that float16 has no numbers for"):
        halve(source, tmp_path / "model.fp16.onnx")
    assert not (tmp_path / "model.fp16.onnx").exists()
