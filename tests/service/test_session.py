from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.engine.placement import OnCpu
from service.engine.session import BadModel, OnnxSession, warm_up
from service.ipc.messages import Images, Probabilities
from tests.service.fakes import CLASSES, FakeSession
from tests.tiny_model import tiny_model, write_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_version(tmp_path / "7", 7)


def load(folder: Path, *, cores: int = 1, closed: Callable[[], None] = lambda: None) -> OnnxSession:
    return OnnxSession.load(
        folder,
        lambda model, classes: OnCpu(model, classes=classes, threads=1, cores=cores),
        closed=closed,
    )


def test_a_version_answers_with_probabilities_of_its_classes(folder: Path) -> None:
    session = load(folder)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    answer = session.run(images)
    assert answer.shape == (3, 200)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)
    assert answer.argmax(axis=1).tolist() == [7, 7, 7]
    assert session.classes[7].label == "class 7"


def test_closing_tells_whoever_lent_the_folder(folder: Path) -> None:
    told: list[str] = []
    session = load(folder, closed=lambda: told.append("closed"))
    assert told == []
    session.close()
    assert told == ["closed"]


def test_warming_up_runs_every_batch_size_up_to_the_largest() -> None:
    session = FakeSession(1)
    warm_up(session, 12, lanes=1)
    assert session.batches == [1, 2, 4, 8, 12]


def test_warming_up_runs_every_lane_at_once() -> None:
    together = threading.Barrier(3)

    class Waiting(FakeSession):
        def run(self, images: Images, *, alone: bool = False) -> Probabilities:
            together.wait(10)
            return super().run(images, alone=alone)

    session = Waiting(1)
    warm_up(session, 2, lanes=3)
    assert session.batches == [1, 1, 1, 2, 2, 2]


def test_a_truncated_model_is_refused(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(BadModel, match=r"model.onnx can't be loaded"):
        load(folder)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        pytest.param(tiny_model(1, image="input_1"), "named 'image'", id="input's name"),
        pytest.param(tiny_model(1, probabilities="out"), "'probabilities'", id="output's name"),
        pytest.param(tiny_model(1, classes=10), "10 outputs", id="number of classes"),
    ],
)
def test_a_model_with_another_signature_is_refused(
    folder: Path, model: onnx.ModelProto, reason: str
) -> None:
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(BadModel, match=reason):
        load(folder, cores=2)


@pytest.mark.parametrize("text", ["", "{}", json.dumps([{"wnid": "n1"}])])
def test_class_names_that_cannot_be_read_are_refused(folder: Path, text: str) -> None:
    (folder / "classes.json").write_text(text)
    with pytest.raises(BadModel, match=r"classes.json can't be read"):
        load(folder)


class OddSession:
    """Answers whatever it is told to."""

    classes = CLASSES
    file = "model.onnx"
    batch_images = 4

    def __init__(self, value: float, width: int = len(CLASSES)) -> None:
        self._value = value
        self._width = width

    def close(self) -> None:
        pass

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        return np.full((len(images), self._width), self._value, np.float32)


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        pytest.param(OddSession(float("nan")), "NaN", id="NaN"),
        pytest.param(OddSession(-0.1), "negative", id="negative"),
        pytest.param(OddSession(1.0), "sum", id="no distribution"),
        pytest.param(OddSession(0.1, width=5), "shape", id="wrong shape"),
    ],
)
def test_a_model_that_gives_no_probabilities_fails_its_warm_up(
    session: OddSession, reason: str
) -> None:
    with pytest.raises(BadModel, match=reason):
        warm_up(session, 4, lanes=2)


def test_a_model_that_fails_on_a_batch_fails_its_warm_up() -> None:
    session = FakeSession(1)
    session.failure = RuntimeError("no kernel\nsecond line")
    with pytest.raises(BadModel, match=r"test run on 1 images failed: no kernel$"):
        warm_up(session, 4, lanes=2)


def test_a_kept_graph_gives_the_very_answers_of_the_first_start(folder: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    first = load(folder)
    second = load(folder, cores=2)
    assert (first.run(images) == second.run(images)).all()
    assert np.abs(second.run(images, alone=True) - first.run(images)).max() < 1e-6
