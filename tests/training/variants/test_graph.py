from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.training.variants.tiny_convnet import noise, write_convnet
from training.evaluation.variants import open_onnx
from training.variants.graph import planes_before_arithmetic, pool_before_relu

IMAGES = noise(4)


@pytest.fixture
def model(tmp_path: Path) -> onnx.ModelProto:
    return onnx.load(write_convnet(tmp_path / "model.onnx"))


def test_a_pool_before_its_relu_gives_the_very_same_answers(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    pool_before_relu(model.graph)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.index("MaxPool") < kinds.index("Relu")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "changed.onnx")
    changed, before = open_onnx(tmp_path / "changed.onnx"), open_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(changed(IMAGES), before(IMAGES))


def test_planes_that_are_scaled_give_the_very_same_answers(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    planes_before_arithmetic(model.graph)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds[:5] == ["Transpose", "Cast", "Mul", "Add", "Conv"]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, tmp_path / "changed.onnx")
    changed, before = open_onnx(tmp_path / "changed.onnx"), open_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(changed(IMAGES), before(IMAGES))


def test_scaled_pixels_that_something_else_takes_too_stay_where_they_are(
    model: onnx.ModelProto,
) -> None:
    model.graph.node.append(onnx.helper.make_node("Identity", ["scaled"], ["also"]))
    before = model.SerializeToString()
    planes_before_arithmetic(model.graph)
    assert model.SerializeToString() == before
