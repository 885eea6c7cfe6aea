"""Known images and their answers travel in the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_store import (
    InvalidVersion,
    KnownAnswers,
    ModelStore,
    SelfTest,
    Signature,
    TensorSpec,
)
from tests.model_store.material import LINEAGE, METRICS, MODEL, make_folder, publish
from tests.model_store.memory_backend import MemoryBackend

SIGNATURE = Signature(
    inputs=(TensorSpec("image", "uint8", (None, 2, 2, 3)),),
    outputs=(TensorSpec("probabilities", "float32", (None, 5)),),
)


def self_test(*, images: int = 24, answers: int = 40, tolerance: float = 1e-3) -> SelfTest:
    known = KnownAnswers(probabilities=bytes(range(answers)), tolerance=tolerance)
    return SelfTest(images=bytes(range(images)), answers={"model.onnx": known})


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def store(backend: MemoryBackend) -> ModelStore:
    return ModelStore("test://shelf", backend)


def publish_with(store: ModelStore, folder: Path, test: SelfTest) -> int:
    return store.publish(
        MODEL, folder, signature=SIGNATURE, metrics=METRICS, lineage=LINEAGE, self_test=test
    ).version


def test_what_is_published_comes_back_byte_for_byte(store: ModelStore, folder: Path) -> None:
    version = publish_with(store, folder, self_test())
    assert store.manifest(MODEL, version).self_test == self_test()


def written(backend: MemoryBackend, version: int) -> dict[str, Any]:
    blob = backend.read(f"{MODEL}/{version}/manifest.json")
    assert blob is not None
    manifest: dict[str, Any] = json.loads(blob.data)
    return manifest


def test_only_a_manifest_with_a_self_test_needs_the_new_format(
    store: ModelStore, backend: MemoryBackend, folder: Path, tmp_path: Path
) -> None:
    publish(store, make_folder(tmp_path / "plain"))
    publish_with(store, folder, self_test())
    plain, tested = (written(backend, number) for number in (1, 2))
    assert (plain["format"], "self_test" in plain) == (1, False)
    assert (tested["format"], "self_test" in tested) == (2, True)


@pytest.mark.parametrize(
    "wrong",
    [
        self_test(images=23),
        self_test(images=0, answers=0),
        self_test(answers=39),
        self_test(tolerance=float("nan")),
        SelfTest(images=bytes(24), answers={"other.onnx": self_test().answers["model.onnx"]}),
    ],
)
def test_a_self_test_that_does_not_fit_is_refused(
    store: ModelStore, folder: Path, wrong: SelfTest
) -> None:
    with pytest.raises(InvalidVersion, match="self-test"):
        publish_with(store, folder, wrong)
    assert store.catalog(MODEL).versions == ()
