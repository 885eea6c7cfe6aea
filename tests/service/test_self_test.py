"""A version whose answers aren't those it was published with is refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from model_store import KnownAnswers, Manifest, SelfTest, Signature, TensorSpec
from service.engine.self_test import check_published
from service.engine.session import BadModel
from service.ipc.messages import Images, Probabilities
from tests.model_store.material import AT, LINEAGE
from tests.service.fakes import FakeSession, sure_of

FILE = "model.onnx"
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
RIGHT = sure_of(4, 3)


class Answering(FakeSession):
    """Answers what it is told to."""

    def __init__(self, answers: Probabilities) -> None:
        super().__init__(4)
        self._answers = answers

    def run(self, images: Images, *, alone: bool = False) -> Probabilities:
        assert (images == IMAGES).all()
        return self._answers


def manifest(*, classes: int = 10, self_test: SelfTest | msgspec.UnsetType) -> Manifest:
    return Manifest(
        model="resnet50",
        version=7,
        published_at=AT,
        published_by="anna",
        files=(),
        signature=Signature(
            inputs=(TensorSpec("image", "uint8", (None, 64, 64, 3)),),
            outputs=(TensorSpec("probabilities", "float32", (None, classes)),),
        ),
        metrics={},
        lineage=LINEAGE,
        self_test=self_test,
    )


KNOWN = SelfTest(
    images=IMAGES.tobytes(),
    answers={FILE: KnownAnswers(probabilities=RIGHT.tobytes(), tolerance=1e-3)},
)


def changed(change: Callable[[Probabilities], None]) -> Probabilities:
    answers = RIGHT.copy()
    change(answers)
    return answers


def test_the_same_answers_pass() -> None:
    check_published(Answering(RIGHT + np.float32(9e-4)), manifest(self_test=KNOWN), FILE)


def set_nan(answers: Probabilities) -> None:
    answers[2, 5] = np.nan


def shift(answers: Probabilities) -> None:
    answers[1] = np.roll(answers[1], 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_nan, r"image 2 of the self-test gets nan for class 5"),
        (shift, r"image 1 of the self-test gets 0\.\d+ for class \d, .* \(allowed .* 0.001\)"),
    ],
)
def test_other_answers_are_refused_saying_where(
    change: Callable[[Probabilities], None], reason: str
) -> None:
    with pytest.raises(BadModel, match=reason):
        check_published(Answering(changed(change)), manifest(self_test=KNOWN), FILE)


def test_another_number_of_classes_is_refused() -> None:
    wide = manifest(classes=11, self_test=msgspec.UNSET)
    with pytest.raises(BadModel, match="names 10 classes, the manifest promises 11"):
        check_published(Answering(RIGHT), wide, FILE)
    with pytest.raises(BadModel, match=r"shape \(3, 9\), not \(3, 10\)"):
        check_published(Answering(RIGHT[:, :9]), manifest(self_test=KNOWN), FILE)


def test_versions_and_variants_without_known_answers_pass() -> None:
    check_published(Answering(RIGHT), manifest(self_test=msgspec.UNSET), FILE)
    check_published(Answering(RIGHT), manifest(self_test=KNOWN), "model.int8.onnx")
