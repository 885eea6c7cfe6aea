"""int8 of a network of a few thousand weights: the same code as for ResNet-50."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.tiny_model import tiny_model
from tests.training.fakes import RecordedBars
from tests.training.variants.tiny_convnet import noise, write_convnet
from training.errors import ExportError
from training.evaluation.variants import open_onnx
from training.variants.int8 import quantize
from training.variants.settings import Method, Quantization

IMAGES = noise(24)


@pytest.fixture(params=[True, False], ids=["with a pool", "without a pool"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_convnet(tmp_path / "model.onnx", pool=request.param)


def quantized(source: Path, **options: object) -> Path:
    target = source.with_name("model.int8.onnx")
    quantize(source, target, IMAGES, Quantization(**options), RecordedBars())  # type: ignore[arg-type]
    return target


@pytest.mark.parametrize("method", ["percentile", "entropy", "minmax"])
def test_int8_answers_nearly_as_float_does_for_any_number_of_images(
    source: Path, method: Method
) -> None:
    expected = open_onnx(source)(IMAGES)
    predict = open_onnx(quantized(source, method=method))
    for count in (1, 3, 24):
        found = predict(IMAGES[:count])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:count], atol=0.05)
    assert np.abs(predict(IMAGES) - expected).max() > 0
    np.testing.assert_allclose(predict(IMAGES).sum(axis=1), 1.0, atol=1e-5)


def test_the_first_and_the_last_layer_stay_in_float_and_all_between_are_int8(source: Path) -> None:
    model = onnx.load(quantized(source))
    weights = {item.name: item for item in model.graph.initializer}
    kinds = [weights[name].data_type for name in ("w1", "w2_quantized", "w3_quantized")]
    assert kinds == [TensorProto.FLOAT, TensorProto.INT8, TensorProto.INT8]
    last = next(node for node in model.graph.node if node.op_type in {"Gemm", "MatMul"})
    assert weights[last.input[1]].data_type == TensorProto.FLOAT
    # A scale for each output channel.
    assert numpy_helper.to_array(weights["w2_scale"]).shape == (8,)
    by_output = {name: node for node in model.graph.node for name in node.output}
    softmax = by_output["probabilities"]
    assert by_output[softmax.input[0]].op_type in {"Gemm", "Add"}


def test_what_stays_in_float_is_only_what_is_named(source: Path) -> None:
    model = onnx.load(quantized(source))
    dequantized = {
        name
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for name in node.output
    }
    nodes = [node for node in model.graph.node if node.op_type in {"Conv", "Add", "MaxPool"}]
    in_float = [node.op_type for node in nodes if node.input[0] not in dequantized]
    assert in_float.count("Conv") == 1
    # The one that scales pixels, and the last layer's where it isn't folded into a Gemm.
    assert in_float.count("Add") <= 2


def test_the_file_says_what_it_needs_and_no_more(source: Path) -> None:
    before, after = onnx.load(source), onnx.load(quantized(source))
    onnx.checker.check_model(after, full_check=True)
    assert [(item.domain, item.version) for item in after.opset_import] == [("", 18)]
    assert after.ir_version <= before.ir_version
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)


def test_the_same_images_give_the_same_bytes(source: Path) -> None:
    assert quantized(source).read_bytes() == quantized(source).read_bytes()


def test_a_smaller_percentile_cuts_more_off(source: Path) -> None:
    def range_of(percentile: float) -> float:
        model = onnx.load(quantized(source, percentile=percentile))
        scales = {item.name: item for item in model.graph.initializer}
        return float(numpy_helper.to_array(scales["second_relu_scale"]))

    assert range_of(90.0) < range_of(99.0) < range_of(100.0)


def test_progress_is_shown_in_images(source: Path, bars: RecordedBars) -> None:
    quantize(source, source.with_name("q.onnx"), IMAGES, Quantization(), bars)
    (bar,) = bars.bars
    assert (bar.done, bar.total) == (24, 24)


def test_nothing_is_printed(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    quantized(source)
    assert capfd.readouterr() == ("", "")


def test_a_network_without_convolutions_is_refused(tmp_path: Path, bars: RecordedBars) -> None:
    source = tmp_path / "model.onnx"
    onnx.save(tiny_model(1), source)
    with pytest.raises(ExportError, match="no convolutions"):
        quantize(source, tmp_path / "q.onnx", IMAGES, Quantization(), bars)
    assert not (tmp_path / "q.onnx").exists()


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, bars: RecordedBars) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"model\.onnx: quantizing failed"):
        quantize(source, tmp_path / "q.onnx", IMAGES, Quantization(), bars)
