from pathlib import Path

import msgspec
import pytest

from model_store import ModelStore, Unreachable, open_store
from tests.tiny_model import write_version
from tests.training.fakes import RecordedBars
from tests.training.made_up_run import RESULT, SCORES, SETTINGS
from training.errors import PublishError
from training.publish import check_store, lineage, publish
from training.run.folder import Initial, Publication, RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    write_version(folder.export, 1)
    return folder


def published(folder: RunFolder, url: str, bars: RecordedBars) -> Publication:
    return publish(folder, SETTINGS, RESULT, url=url, model="resnet50", class_count=200, bars=bars)


def test_the_version_says_what_it_is_and_where_it_comes_from(
    folder: RunFolder, tmp_path: Path, bars: RecordedBars
) -> None:
    url = f"file://{tmp_path}/shelf"
    check_store(url, "resnet50")
    assert published(folder, url, bars) == Publication(url, "resnet50", 1)
    assert published(folder, url, bars).version == 2
    assert [item.version for item in folder.publications()] == [1, 2]

    manifest = open_store(url).manifest("resnet50", 2)
    assert manifest.metrics["model.onnx"]["top1"] == pytest.approx(0.5)
    assert manifest.metrics["saved_model.pb"]["top5"] == pytest.approx(0.75)
    assert manifest.signature.inputs[0].shape == (None, 64, 64, 3)
    assert manifest.signature.inputs[0].dtype == "uint8"
    assert manifest.signature.outputs[0].shape == (None, 200)
    assert manifest.lineage.data_digest == "d" * 64
    assert manifest.lineage.hyperparameters["epochs"] == 3
    assert manifest.lineage.hyperparameters["steps"] == 30
    assert bars.bars
    assert all(bar.done == bar.total for bar in bars.bars)


def test_a_parent_is_named_only_if_it_is_a_version_of_the_same_model_and_store() -> None:
    initial = Initial(origin="x", sha256="y", store="file:///a", model="resnet50", version=4)
    tuned = msgspec.structs.replace(SETTINGS, initial=initial)
    same = lineage(tuned, RESULT, store="file:///a", model="resnet50")
    assert same.parent_version == 4
    assert same.hyperparameters["initial_weights"] == {"origin": "x", "sha256": "y"}
    for store, model in (("file:///b", "resnet50"), ("file:///a", "other")):
        assert lineage(tuned, RESULT, store=store, model=model).parent_version is None
    assert lineage(SETTINGS, RESULT, store="file:///a", model="resnet50").parent_version is None


def test_a_version_names_all_code_that_worked_on_it() -> None:
    alone = lineage(SETTINGS, RESULT, store="file:///a", model="resnet50")
    assert "code_versions" not in alone.hyperparameters
    resumed = msgspec.structs.replace(SETTINGS, resumed_with=("def",))
    both = lineage(resumed, RESULT, store="file:///a", model="resnet50")
    assert both.code_version == "abc"
    assert both.hyperparameters["code_versions"] == ["abc", "def"]


def test_a_store_that_is_not_one_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="training didn't start"):
        check_store("ftp://example.org/shelf", "resnet50")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PublishError, match="training didn't start"):
        check_store(f"file://{tmp_path}/file", "resnet50")


def test_a_run_that_is_worse_than_production_is_kept_and_says_how_to_publish_it(
    folder: RunFolder, tmp_path: Path, bars: RecordedBars
) -> None:
    url = f"file://{tmp_path}/shelf"
    published(folder, url, bars)
    assert bars.lines == ["gate: no version is labelled production, nothing to compare"]
    open_store(url).label("resnet50", "production", 1)
    worse = msgspec.structs.replace(SCORES, top1=0.25)
    bad = msgspec.structs.replace(RESULT, variants={"model.onnx": worse})

    def again(gate: float | None) -> int:
        return publish(
            folder,
            SETTINGS,
            bad,
            url=url,
            model="resnet50",
            class_count=200,
            bars=bars,
            gate=gate,
        ).version

    with pytest.raises(PublishError) as caught:
        again(1.0)
    assert "top-1 25.00%, version 1 (production) 50.00%" in str(caught.value)
    command = f"python -m training publish {folder.path} --store {url} --model resnet50"
    assert "--allow-worse (in Python gate=None)" in str(caught.value)
    assert f"the export is kept; publish it later with: {command}" in str(caught.value)
    assert (folder.export / "model.onnx").exists()
    assert [each.version for each in folder.publications()] == [1]
    assert again(25.0) == 2
    assert again(None) == 3


def test_an_unreachable_store_costs_no_run_and_says_how_to_go_on(
    folder: RunFolder, bars: RecordedBars
) -> None:
    def opener(url: str) -> ModelStore:
        raise Unreachable("no route to az://a/b")

    with pytest.raises(PublishError) as caught:
        publish(
            folder,
            SETTINGS,
            RESULT,
            url="az://a/b",
            model="resnet50",
            class_count=200,
            bars=bars,
            opener=opener,
        )
    command = f"python -m training publish {folder.path} --store az://a/b --model resnet50"
    assert command in str(caught.value)
    assert folder.publications() == []
    assert (folder.export / "model.onnx").exists()
