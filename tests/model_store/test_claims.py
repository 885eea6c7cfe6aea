"""What can't be true of a version isn't published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from model_store import InvalidVersion, ModelStore, SelfTest, Signature, TensorSpec
from tests.model_store.material import (
    CLASSES,
    LINEAGE,
    METRICS,
    MODEL,
    SIGNATURE,
    publish,
)
from tests.model_store.memory_backend import MemoryBackend

IMAGE = TensorSpec("image", "uint8", (None, 64, 64, 3))
NESTED = "[" * 20_000


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def store(backend: MemoryBackend) -> ModelStore:
    return ModelStore("test://shelf", backend)


def returning(*shape: int | None) -> Signature:
    return Signature(inputs=(IMAGE,), outputs=(TensorSpec("probabilities", "float32", shape),))


def publish_as(store: ModelStore, folder: Path, signature: Signature) -> int:
    return store.publish(
        MODEL, folder, signature=signature, metrics=METRICS, lineage=LINEAGE
    ).version


@pytest.mark.parametrize("file", ["model.onnx", "model.int8.onnx"])
@pytest.mark.parametrize("metric", ["top1", "top5"])
@pytest.mark.parametrize("value", [61.0, -0.1])
def test_an_accuracy_is_from_0_to_1_whatever_the_variant(
    store: ModelStore, folder: Path, file: str, metric: str, value: float
) -> None:
    (folder / file).write_bytes(b"a model")
    with pytest.raises(InvalidVersion, match=rf"'{metric}' of '{file}' is .* from 0 to 1") as told:
        store.publish(
            MODEL, folder, signature=SIGNATURE, metrics={file: {metric: value}}, lineage=LINEAGE
        )
    assert "0.61 for 61 %" in str(told.value)
    assert store.catalog(MODEL).next_version == 1


def test_other_metrics_may_be_any_number(store: ModelStore, folder: Path) -> None:
    metrics = {"model.onnx": {"loss": 61.0, "top1": 1.0, "top5": 0.0, "stop1": -1.0}}
    store.publish(MODEL, folder, signature=SIGNATURE, metrics=metrics, lineage=LINEAGE)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (Signature(inputs=(), outputs=SIGNATURE.outputs), "the signature has no input"),
        (Signature(inputs=SIGNATURE.inputs, outputs=()), "the signature has no output"),
        (returning(None, 200), r"names 5 classes.*'probabilities' \[None, 200\]; correct the one"),
        (returning(), r"no output of the signature ends with as many values"),
    ],
)
def test_a_signature_that_cannot_be_the_models_is_refused(
    store: ModelStore, folder: Path, signature: Signature, reason: str
) -> None:
    with pytest.raises(InvalidVersion, match=reason):
        publish_as(store, folder, signature)
    assert store.catalog(MODEL).next_version == 1


@pytest.mark.parametrize("shape", [(None, CLASSES), (-1, CLASSES), (None, None), (-1, -1)])
def test_dimensions_that_requests_choose_fit_any_number_of_classes(
    store: ModelStore, folder: Path, shape: tuple[int | None, ...]
) -> None:
    assert publish_as(store, folder, returning(*shape)) == 1


def test_one_output_of_several_has_the_classes(store: ModelStore, folder: Path) -> None:
    features = TensorSpec("features", "float32", (None, 2048))
    signature = Signature(inputs=(IMAGE,), outputs=(features, *SIGNATURE.outputs))
    assert publish_as(store, folder, signature) == 1


def test_a_self_test_of_a_model_without_inputs_is_refused(store: ModelStore, folder: Path) -> None:
    with pytest.raises(InvalidVersion, match="no input"):
        store.publish(
            MODEL,
            folder,
            signature=Signature(inputs=(), outputs=SIGNATURE.outputs),
            metrics={},
            lineage=LINEAGE,
            self_test=SelfTest(images=b"", answers={}),
        )


@pytest.mark.parametrize(
    "text",
    ["{}", '"cats"', "[1, 2]", '["cat", "dog"]', '[{"label": "cat"}]', NESTED, "\xff"],
    ids=["object", "text", "numbers", "names", "no wnid", "nested", "not UTF-8"],
)
def test_classes_that_no_service_can_read_are_refused(
    store: ModelStore, folder: Path, text: str
) -> None:
    (folder / "classes.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidVersion, match=r"classes\.json: .*list of objects with wnid and"):
        publish(store, folder)


def test_classes_may_say_more_than_services_read(store: ModelStore, folder: Path) -> None:
    classes = [{"wnid": "n1", "label": "cat", "names": "cat, tomcat"} for _ in range(CLASSES)]
    (folder / "classes.json").write_text(json.dumps(classes))
    assert publish(store, folder).version == 1


@pytest.mark.parametrize("file", ["model.onnx", "model.fp16.onnx", "saved_model.pb"])
def test_an_empty_model_is_refused(store: ModelStore, folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"")
    with pytest.raises(InvalidVersion, match=rf"{file} is empty; export the model again"):
        publish(store, folder)


def test_lineage_nested_too_deep_for_json_is_refused(store: ModelStore, folder: Path) -> None:
    nested: list[object] = []
    for _ in range(20_000):
        nested = [nested]
    lineage = msgspec.structs.replace(LINEAGE, hyperparameters={"nested": nested})
    with pytest.raises(InvalidVersion, match="can't be written as JSON"):
        store.publish(MODEL, folder, signature=SIGNATURE, metrics={}, lineage=lineage)


def test_what_was_published_before_stays_readable_whatever_it_says(
    store: ModelStore, backend: MemoryBackend, folder: Path, tmp_path: Path
) -> None:
    publish(store, folder)
    manifest = f"{MODEL}/1/manifest.json"
    before = backend.blobs[manifest].data
    after = before.replace(b"0.61", b"61.0")
    backend.put(manifest, after)
    catalog = backend.blobs[f"{MODEL}/catalog.json"].data
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (before, after))
    backend.put(f"{MODEL}/catalog.json", catalog.replace(old, new))
    assert store.manifest(MODEL, 1).metrics["model.onnx"]["top1"] == 61.0
    assert (store.pull(MODEL, 1, tmp_path / "p") / "model.onnx").exists()
