"""What is refused as worse than what is in production, and what passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from model_store import Conflict, Lineage, Manifest, ModelStore
from model_store.gate import judge
from tests.model_store.material import LINEAGE, MODEL, SIGNATURE
from tests.model_store.memory_backend import MemoryBackend

ONNX, INT8, SAVED_MODEL = "model.onnx", "model.int8.onnx", "saved_model.pb"


def top1(**files: float) -> dict[str, dict[str, float]]:
    names = {"onnx": ONNX, "int8": INT8, "saved_model": SAVED_MODEL}
    return {names[name]: {"top1": value} for name, value in files.items()}


def production(metrics: dict[str, dict[str, float]], lineage: Lineage = LINEAGE) -> Manifest:
    return Manifest(
        model=MODEL,
        version=3,
        published_at="",
        published_by="",
        files=(),
        signature=SIGNATURE,
        metrics=metrics,
        lineage=lineage,
    )


def of_data(digest: str, **facts: Any) -> Lineage:
    return msgspec.structs.replace(LINEAGE, data_digest=digest, hyperparameters=facts)


@pytest.mark.parametrize(
    ("ours", "theirs", "passes", "line"),
    [
        pytest.param(
            top1(onnx=0.61),
            top1(onnx=0.60),
            True,
            "model.onnx reaches top-1 61.00%, version 3 (production) 60.00%: 1.00 points better, "
            "1 allowed",
            id="better",
        ),
        pytest.param(top1(onnx=0.59), top1(onnx=0.60), True, "1.00 points worse", id="the margin"),
        pytest.param(top1(onnx=0.5899), top1(onnx=0.60), False, "1.01 points worse", id="beyond"),
        pytest.param(
            top1(onnx=0.5, int8=0.7), top1(onnx=0.6, int8=0.5), False, ONNX, id="model.onnx first"
        ),
        pytest.param(
            top1(int8=0.1, saved_model=0.6),
            top1(onnx=0.6, saved_model=0.6),
            True,
            "saved_model.pb reaches",
            id="any other file that both have",
        ),
        pytest.param(top1(onnx=0.1), top1(int8=0.6), True, "no file has a top-1", id="no file"),
        pytest.param({ONNX: {"loss": 1.0}}, top1(onnx=0.6), True, "no file has", id="no top-1"),
        pytest.param({}, {}, True, "no file has a top-1", id="nothing was measured"),
    ],
)
def test_the_top1_of_one_file_decides(
    ours: dict[str, dict[str, float]],
    theirs: dict[str, dict[str, float]],
    passes: bool,
    line: str,
) -> None:
    verdict = judge(ours, LINEAGE, production(theirs), points=1.0)
    assert verdict.passes == passes
    assert line in verdict.line


@pytest.mark.parametrize(
    ("ours", "theirs", "compared"),
    [
        (of_data("a"), of_data("a"), True),
        (of_data("a"), of_data("b"), False),
        (of_data("unknown"), of_data("unknown"), False),
        (of_data("unknown", measured_on="a"), of_data("a"), True),
        (of_data("unknown", measured_on="a"), of_data("unknown", measured_on="b"), False),
    ],
)
def test_only_what_was_measured_on_the_same_data_is_compared(
    ours: Lineage, theirs: Lineage, compared: bool
) -> None:
    verdict = judge(top1(onnx=0.1), ours, production(top1(onnx=0.6), theirs), points=1.0)
    assert verdict.passes != compared
    assert ("measured on other data" in verdict.line) != compared


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def shelf(backend: MemoryBackend) -> ModelStore:
    return ModelStore("test://shelf", backend)


def publish(shelf: ModelStore, folder: Path, value: float, **options: Any) -> int:
    metrics = top1(onnx=value)
    return shelf.publish(
        MODEL, folder, signature=SIGNATURE, metrics=metrics, lineage=LINEAGE, **options
    ).version


def test_what_is_worse_than_production_is_refused_before_a_byte_goes_up(
    shelf: ModelStore, backend: MemoryBackend, folder: Path
) -> None:
    publish(shelf, folder, 0.612)
    shelf.label(MODEL, "production", 1)
    before = dict(backend.blobs)
    with pytest.raises(Conflict) as caught:
        publish(shelf, folder, 0.55)
    assert str(caught.value) == (
        "resnet50 2 isn't published: model.onnx reaches top-1 55.00%, version 1 (production) "
        "61.20%: 6.20 points worse, 1 allowed; publish it all the same with --allow-worse "
        "(in Python gate=None), or allow more with --gate POINTS"
    )
    assert backend.blobs == before


def test_worse_versions_go_up_where_that_is_allowed(shelf: ModelStore, folder: Path) -> None:
    lines: list[str] = []
    assert publish(shelf, folder, 0.6, say=lines.append) == 1
    assert publish(shelf, folder, 0.1, say=lines.append) == 2
    shelf.label(MODEL, "production", 1)
    assert publish(shelf, folder, 0.1, gate=None, say=lines.append) == 3
    assert publish(shelf, folder, 0.55, gate=5.0, say=lines.append) == 4
    nothing = "gate: no version is labelled production, nothing to compare"
    assert lines[:2] == [nothing, nothing]
    assert len(lines) == 3
    assert lines[2].endswith("5.00 points worse, 5 allowed")


def test_a_damaged_version_in_production_is_no_reason_to_refuse_its_successor(
    shelf: ModelStore, backend: MemoryBackend, folder: Path
) -> None:
    publish(shelf, folder, 0.6)
    shelf.label(MODEL, "production", 1)
    backend.put(f"{MODEL}/1/manifest.json", b"{}")
    lines: list[str] = []
    assert publish(shelf, folder, 0.1, say=lines.append) == 2
    assert lines[0].startswith("gate: not compared, as ")
