"""What `evaluate` can be pointed at; the models are tiny, the shelf and the folders are real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_store import Lineage, open_store
from tests.tiny_model import CLASSES, tiny_model, write_version
from tests.training.fakes import RecordedBars
from training.classes import write_classes
from training.data.layout import ClassName
from training.data.prepared import PreparedData, Split
from training.errors import DataError, ExportError, RunFolderError, ShelfError, UsageError
from training.evaluation.candidates import Wanted, find_candidates, variants_among
from training.evaluation.command import as_json, evaluate_all
from training.run.folder import RunFolder, RunSettings
from training.settings import Recipe
from training.signature import signature

NAMES = tuple(ClassName(wnid=f"n{i:08}", label=f"c{i}", names=f"c{i}") for i in range(CLASSES))
LABELS = np.array([3, 1, 3, 5], np.int32)


@pytest.fixture
def data(tmp_path: Path) -> PreparedData:
    """Four images whose labels count the classes backwards."""
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    split = Split(images=images, labels=CLASSES - 1 - LABELS)
    return PreparedData(
        folder=tmp_path, digest="d" * 64, classes=NAMES[::-1], train=split, val=split
    )


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Two ONNX variants that guess class 3 for every image, and class 5."""
    folder = write_version(tmp_path / "export", 3)
    (folder / "saved_model.pb").unlink()
    (folder / "model.int8.onnx").write_bytes(tiny_model(5).SerializeToString())
    write_classes(folder, NAMES)
    return folder


@pytest.fixture
def store(tmp_path: Path, export: Path) -> str:
    url = f"file://{tmp_path}/shelf"
    open_store(url).publish(
        "tiny",
        export,
        signature=signature(CLASSES),
        metrics={},
        lineage=Lineage(
            code_version="x",
            data_digest="x",
            mode="single",
            world_size=1,
            hyperparameters={},
            started_at="2026-01-01T00:00:00+00:00",
            finished_at="2026-01-01T00:00:00+00:00",
            host="x",
        ),
    )
    return url


def measured(wanted: Wanted, data: PreparedData) -> dict[str, float]:
    """Each candidate's top-1 under its name."""
    bars = RecordedBars()
    with find_candidates(wanted, data, bars) as candidates:
        found = evaluate_all(candidates, data, bars)
        assert as_json(found, data).startswith("{")
    return {each.model: each.scorecard.top1 for each in found}


def test_all_variants_of_a_folder_are_measured_whatever_the_order_of_classes(
    data: PreparedData, export: Path
) -> None:
    expected = {"model.int8.onnx": 0.25, "model.onnx": 0.5}
    assert measured(Wanted(what=str(export)), data) == expected


def test_one_variant_is_measured_by_option_or_by_path(data: PreparedData, export: Path) -> None:
    one = Wanted(what=str(export), variant="model.onnx")
    assert measured(one, data) == {"model.onnx": 0.5}
    file = Wanted(what=str(export / "model.int8.onnx"))
    assert measured(file, data) == {"model.int8.onnx": 0.25}


@pytest.mark.parametrize("which", ["1", "latest", "production"])
def test_a_version_is_measured_by_number_and_label(
    data: PreparedData, store: str, which: str
) -> None:
    open_store(store).label("tiny", "production", 1)
    wanted = Wanted(what=which, store=store, model="tiny", variant="model.onnx")
    assert measured(wanted, data) == {"model.onnx": 0.5}


def test_the_saved_model_comes_first() -> None:
    names = ["model.onnx", "variables", "saved_model.pb", "model.fp16.onnx", "classes.json"]
    assert variants_among(names) == ["saved_model.pb", "model.fp16.onnx", "model.onnx"]


def test_what_cannot_be_measured_is_named(
    tmp_path: Path, data: PreparedData, export: Path, store: str
) -> None:
    def fails(error: type[Exception], message: str, **wanted: str) -> None:
        with pytest.raises(error, match=message):
            measured(Wanted(**wanted), data)

    fails(UsageError, "nowhere: no such file or folder; .* --store URL", what="nowhere")
    fails(ShelfError, "tiny has no version 7; it has 1", what="7", store=store, model="tiny")
    fails(ExportError, "there is no model.fp16.onnx", what=str(export), variant="model.fp16.onnx")
    fails(ExportError, "there is no saved_model.pb and no .onnx", what=str(tmp_path))
    fails(RunFolderError, "not a run folder", what=str(export), checkpoint="last")
    fails(UsageError, "--checkpoint: a version has none", what="1", store=store, checkpoint="last")
    (export / "model.onnx").write_bytes(b"half")
    fails(ExportError, "model.onnx: not a usable ONNX model", what=str(export))
    run = RunFolder(tmp_path / "run")
    run.write_settings(
        RunSettings(
            mode="single",
            world_size=1,
            data_digest="e" * 64,
            recipe=Recipe(),
            code_version="x",
            host="x",
            started_at="x",
        )
    )
    fails(RunFolderError, "has no export yet; give --checkpoint last", what=str(run.path))
    fails(DataError, "only the data that it is trained on", what=str(run.path), checkpoint="last")


def test_data_of_unknown_classes_is_refused_before_anything_runs(
    data: PreparedData, export: Path
) -> None:
    (export / "model.onnx").write_bytes(b"never opened")
    write_classes(export, NAMES[:-1])
    with pytest.raises(DataError, match="1 of the data's 200 classes"):
        measured(Wanted(what=str(export)), data)
