"""SavedModels made by somebody else: what fits becomes a version, what doesn't is told why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.strangers import (
    CLASSES,
    write_keras,
    write_module,
    write_names,
    write_version_1,
)
from tests.training.fakes import RecordedBars
from training.backend import tf
from training.classes import parse_classes
from training.conversion.adopt import check_probabilities
from training.conversion.convert import check_same_classes, convert
from training.conversion.foreign import Tensor, fitting_input, fitting_output, read_signatures
from training.data.layout import ClassName
from training.data.prepare import prepare
from training.errors import ExportError, TrainingError, UsageError
from training.evaluation.variants import open_onnx, open_saved_model


class Theirs(NamedTuple):
    """A stranger's model, what is asked of it, and the output that has the answers."""

    write: Callable[[Path], Path]
    signature: str
    asked: str | None
    answers: str


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return write_names(tmp_path / "names.json")


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (3, 64, 64, 3), np.uint8)


def own_answers(
    folder: Path, signature: str, images: NDArray[np.uint8], output: str
) -> NDArray[np.float32]:
    """Return what the stranger's model itself says."""
    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures[signature]
    (name,) = serve.structured_input_signature[1]
    answers: NDArray[np.float32] = serve(**{name: tf.constant(images)})[output].numpy()
    return answers


@pytest.mark.parametrize(
    "theirs",
    [
        Theirs(write_module, "serving_default", None, "scores"),
        Theirs(write_keras, "serving_default", None, "output_0"),
        Theirs(write_version_1, "predict", None, "y"),
        Theirs(write_version_1, "both", "best", "best"),
    ],
)
def test_a_model_that_fits_becomes_a_version_that_answers_the_same(
    tmp_path: Path,
    names: Path,
    bars: RecordedBars,
    images: NDArray[np.uint8],
    theirs: Theirs,
) -> None:
    folder, out = theirs.write(tmp_path / "theirs"), tmp_path / "out"
    convert(folder, out, names, bars, signature_name=theirs.signature, output=theirs.asked)
    expected = own_answers(folder, theirs.signature, images, theirs.answers)
    for predict in (open_saved_model(out / "version"), open_onnx(out / "version" / "model.onnx")):
        np.testing.assert_allclose(predict(images), expected, atol=1e-5)
    assert {path.name for path in out.iterdir()} == {"version", "data.json"}
    facts = json.loads((out / "data.json").read_text())
    assert facts["metrics"] == {}
    assert facts["lineage"]["mode"] == "imported"
    assert facts["lineage"]["data_digest"] == "unknown"
    assert facts["lineage"]["hyperparameters"]["imported_from"] == "theirs"
    assert facts["lineage"]["hyperparameters"]["signature"] == theirs.signature
    assert facts["signature"]["outputs"][0]["shape"] == [None, CLASSES]


def test_with_a_data_set_both_variants_are_measured(
    tmp_path: Path, bars: RecordedBars, drawn: Path
) -> None:
    data = prepare(drawn, tmp_path / "cache", bars)
    (tmp_path / "classes.json").write_bytes(msgspec.json.encode(data.classes))
    folder = write_module(tmp_path / "theirs", classes=data.class_count)
    convert(folder, tmp_path / "out", tmp_path / "classes.json", bars, data=data)
    facts = json.loads((tmp_path / "out" / "data.json").read_text())
    assert set(facts["metrics"]) == {"saved_model.pb", "model.onnx"}
    assert facts["metrics"]["model.onnx"]["loss"] > 0
    assert facts["lineage"]["hyperparameters"]["measured_on"] == data.digest
    with pytest.raises(ExportError, match="without the same order, measuring means nothing"):
        check_same_classes(data.classes[::-1], data)
    with pytest.raises(ExportError, match="the data set has 200 classes, but 199 are named"):
        check_same_classes(data.classes[1:], data)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (tf.identity, r"aren't probabilities: values from .* add a softmax to the graph"),
        (lambda x: tf.nn.softmax(x) * float("nan"), "answers with NaN or infinity"),
        (lambda x: tf.nn.softmax(x, axis=0), r"aren't probabilities: .* sums from"),
        (
            lambda x: tf.nn.softmax(x - 9 * tf.reduce_mean(x, axis=0)),
            "change by up to .* with the other images in the batch",
        ),
        (
            lambda x: tf.nn.softmax(tf.nn.dropout(x, 0.5)),
            "from call to call; export it for inference",
        ),
        (lambda x: tf.nn.softmax(tf.reshape(x, [-1, 1, 7])), r"scores float32 \[N, 1, 7\]; needed"),
        (lambda x: tf.cast(tf.nn.softmax(x), tf.float64), r"returns scores float64 \[N, 7\]"),
    ],
)
def test_a_model_whose_answers_are_no_probabilities_is_refused(
    tmp_path: Path,
    names: Path,
    bars: RecordedBars,
    compute: Callable[[object], object],
    message: str,
) -> None:
    folder = write_module(tmp_path / "theirs", compute=compute)
    with pytest.raises(ExportError, match=message):
        convert(folder, tmp_path / "out", names, bars)
    assert not list(tmp_path.glob("out*"))


def tensor(dtype: str, *shape: int | None) -> Tensor:
    return Tensor(name="x", dtype=dtype, shape=shape)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), r"takes nothing; needed is one input, uint8 \[N, 64, 64, 3\]"),
        ((tensor("uint8", None), tensor("bool")), r"takes x uint8 \[N\], x bool \[\]; needed"),
        ((tensor("float32", None, 64, 64, 3),), "how float32 pixels are to be scaled isn't"),
        ((tensor("string", None),), "how string pixels"),
        ((tensor("uint8", 1, 64, 64, 3),), "takes exactly 1 at a time, so export it with a batch"),
        ((tensor("uint8", None, 3, 64, 64),), "its channels come first, so transpose"),
        ((tensor("uint8", None, 224, 224, 3),), "resize inside the graph"),
        ((tensor("uint8", None, 64, 64, 1),), "resize inside the graph"),
        ((tensor("uint8", None, 64, 64),), "export it with the shape of images"),
        ((Tensor("x", "uint8", None),), "x uint8 of any shape; .* the shape of images"),
    ],
)
def test_an_input_that_takes_no_such_images_is_refused(
    inputs: tuple[Tensor, ...], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        fitting_input(inputs, "m")


@pytest.mark.parametrize("side", [64, None])
def test_an_input_of_this_size_or_of_any_fits(side: int | None) -> None:
    taken = tensor("uint8", None, side, side, 3)
    assert fitting_input((taken,), "m") == taken


@pytest.mark.parametrize(
    ("outputs", "name", "message"),
    [
        ((), None, "returns nothing"),
        ((tensor("float32", None, 7), tensor("int64", None)), None, "choose one with --output"),
        ((tensor("float32", None, 7),), "y", "has no output y; it returns x float32"),
        ((tensor("float32", 1, 7),), None, r"returns x float32 \[1, 7\]; needed is float32"),
        ((tensor("float32", None, 10),), None, "tells 10 classes apart, but 7 are named"),
    ],
)
def test_an_output_that_does_not_fit_the_classes_is_refused(
    outputs: tuple[Tensor, ...], name: str | None, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        fitting_output(outputs, name, CLASSES, "m")


def test_an_output_of_unstated_width_is_measured() -> None:
    assert fitting_output((tensor("float32", None, None),), None, 7, "m").shape == (None, None)
    with pytest.raises(ExportError, match=r"answers \[2, 5\] for 2 images, but 7 classes"):
        check_probabilities(np.full((2, 5), 0.2, np.float32), images=2, class_count=7)


def test_a_signature_that_is_not_there_lists_those_that_are(
    tmp_path: Path, names: Path, bars: RecordedBars
) -> None:
    folder = write_version_1(tmp_path / "theirs")
    with pytest.raises(ExportError, match=r"no signature serving_default; .* both, predict"):
        convert(folder, tmp_path / "out", names, bars)
    assert set(read_signatures(folder)[0]) == {"both", "predict"}


@pytest.mark.parametrize("damage", ["empty", "garbage", "no file", "no variables", "half"])
def test_a_broken_folder_is_one_clear_error(
    tmp_path: Path, names: Path, bars: RecordedBars, damage: str
) -> None:
    folder = write_module(tmp_path / "theirs")
    model = folder / "saved_model.pb"
    if damage == "no variables":
        shutil.rmtree(folder / "variables")
    elif damage == "no file":
        model.unlink()
    else:
        broken = {"empty": b"", "garbage": b"no model", "half": model.read_bytes()[:2000]}
        model.write_bytes(broken[damage])
    with pytest.raises(ExportError) as caught:
        convert(folder, tmp_path / "out", names, bars)
    assert "theirs" in str(caught.value)
    assert not list(tmp_path.glob("out*"))


def test_what_is_at_the_target_is_never_replaced(
    tmp_path: Path, names: Path, bars: RecordedBars
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        convert(tmp_path, tmp_path / "out", names, bars)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('["cat", "dog"]', ClassName("", "cat", "cat")),
        ('["n01443537", "n01629819"]', ClassName("n01443537", "n01443537", "n01443537")),
        ('[{"label": "cat"}, {"label": "dog"}]', ClassName("", "cat", "cat")),
        (
            '[{"wnid": "n1", "label": "cat", "names": "cat, puss"}, {"wnid": "n2", "label": "c"}]',
            ClassName("n1", "cat", "cat, puss"),
        ),
    ],
)
def test_classes_are_read_as_people_write_them(tmp_path: Path, text: str, first: ClassName) -> None:
    (tmp_path / "c.json").write_text(text)
    assert parse_classes(tmp_path / "c.json")[0] == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("cat\ndog", "needed is a list of"),
        ('{"0": "cat"}', "needed is a list of"),
        ('[{"name": "cat"}]', "missing required field `label`"),
        ('["cat"]', "names 1 classes, at least 2"),
        ('["cat", " "]', "class 1 has no name"),
        ('["cat", "dog", "cat"]', "classes 0 and 2 are both cat"),
    ],
)
def test_classes_that_say_too_little_are_refused(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "c.json").write_text(text)
    with pytest.raises(TrainingError, match=message):
        parse_classes(tmp_path / "c.json")
