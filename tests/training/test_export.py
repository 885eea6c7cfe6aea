"""Export, translation and comparison of a small model: the same code as for ResNet-50."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from training.classes import read_classes
from training.data.layout import ClassName
from training.errors import ExportError
from training.evaluation.temperature import at_temperature
from training.evaluation.variants import open_onnx, open_saved_model
from training.export import export
from training.model import Architecture, build_model
from training.trainee import predictor

SMALL = Architecture(classes=7, depths=(1, 1), width=16)
TEMPERATURE = 0.1
CLASSES = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}, d") for i in range(7))


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, images: NDArray[np.uint8]
) -> tuple[Path, NDArray[np.float32]]:
    """The export of a model trained in mixed precision, and what that model at this temperature
    says itself.
    """
    folder = tmp_path_factory.mktemp("run") / "export"
    folder.mkdir()
    (folder / "left.txt").write_text("from an export before")
    model = build_model(SMALL, precision="mixed_bfloat16", seed=3)
    export(model, SMALL, CLASSES, folder, temperature=TEMPERATURE)
    return folder, at_temperature(predictor(model)(images), TEMPERATURE)


def test_the_export_holds_what_is_published_and_nothing_else(
    exported: tuple[Path, NDArray[np.float32]],
) -> None:
    folder, _ = exported
    names = {item.name for item in folder.iterdir()}
    assert {"saved_model.pb", "variables", "model.onnx", "classes.json"} <= names
    assert "left.txt" not in names
    assert [item.name for item in folder.parent.iterdir()] == ["export"]
    assert read_classes(folder) == CLASSES


def test_each_weight_is_stored_once(exported: tuple[Path, NDArray[np.float32]]) -> None:
    folder, _ = exported
    model = build_model(SMALL, precision="float32", seed=0)
    weights = 4 * model.count_params()
    stored = sum(file.stat().st_size for file in (folder / "variables").iterdir())
    assert weights < stored < 1.5 * weights


def test_both_variants_compute_what_was_trained_for_any_number_of_images(
    exported: tuple[Path, NDArray[np.float32]], images: NDArray[np.uint8]
) -> None:
    folder, expected = exported
    for predict in (open_saved_model(folder), open_onnx(folder / "model.onnx")):
        for count in (1, 3, 5):
            probabilities = predict(images[:count])
            assert probabilities.dtype == np.float32
            assert probabilities.shape == (count, 7)
            # Rounding of the training's bfloat16.
            np.testing.assert_allclose(probabilities, expected[:count], atol=0.01)


def test_a_model_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ExportError, match=r"model\.onnx: not a usable ONNX model"):
        open_onnx(tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="not a SavedModel"):
        open_saved_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("input", TensorProto.UINT8, ["n", 64, 64, 3]),
        ("image", TensorProto.FLOAT, ["n", 64, 64, 3]),
        ("image", TensorProto.UINT8, [1, 64, 64, 3]),
        ("image", TensorProto.UINT8, ["n", 3, 64, 64]),
    ],
)
def test_an_onnx_model_with_another_input_is_refused(
    tmp_path: Path, name: str, kind: int, shape: list[int | str]
) -> None:
    nodes = [
        helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["flat"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, None])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(ExportError, match="has the signature"):
        open_onnx(tmp_path / "m.onnx")
