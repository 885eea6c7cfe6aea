"""`python -m training quantize` of ResNet-50: of a run, and of a version on a shelf."""

import shutil
from pathlib import Path

import pytest

from model_store import SelfTest, open_store
from service.engine.device import Device
from service.engine.variants import choose_variant
from tests.training.running import Published
from training.cli import main
from training.evaluation.variants import open_onnx
from training.run.folder import RunFolder

FEW = ["--images", "8"]


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> Published:
    """The run without its checkpoints, and its shelf."""
    run, shelf = tmp_path / "run", tmp_path / "shelf"
    shutil.copytree(published.run, run, ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copytree(published.folder / "shelf", shelf)
    return Published(tmp_path, run, f"file://{shelf}", published.output)


def quantize(*arguments: str, data: Path, published: Published) -> None:
    cache = published.folder / "cache"
    command = ["quantize", *arguments, "--data", str(data), "--cache", str(cache), "--debug"]
    assert main(command) == 0


def test_a_run_and_a_version_get_an_int8_variant_with_its_own_accuracy(
    copied: Published, published: Published, drawn: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quantize(str(copied.run), *FEW, data=drawn, published=published)
    result = RunFolder(copied.run).result()
    assert result is not None
    assert list(result.variants) == ["saved_model.pb", "model.onnx", "model.int8.onnx"]
    assert result.quantization is not None
    assert result.quantization.images == 8
    assert "model.int8.onnx: top-1" in capfd.readouterr().out
    file = copied.run / "export" / "model.int8.onnx"
    assert file.stat().st_size < 0.3 * (copied.run / "export" / "model.onnx").stat().st_size
    open_onnx(file)

    quantize("latest", "--store", copied.store, *FEW, data=drawn, published=published)
    store = open_store(copied.store)
    old, new = store.manifest("resnet50", 1), store.manifest("resnet50", 2)
    assert new.find("model.int8.onnx").size == file.stat().st_size
    assert new.find("variables/variables.index") == old.find("variables/variables.index")
    assert new.metrics["model.int8.onnx"]["top1"] == result.variants["model.int8.onnx"].top1
    assert new.metrics["model.onnx"] == pytest.approx(old.metrics["model.onnx"])
    assert new.metrics["saved_model.pb"] == old.metrics["saved_model.pb"]
    assert new.lineage.parent_version == 1
    assert new.lineage.data_digest == old.lineage.data_digest
    assert new.lineage.hyperparameters["int8"]["images"] == 8
    assert isinstance(new.self_test, SelfTest)
    assert "model.int8.onnx" in new.self_test.answers
    # What a service needs to take it on its own.
    assert (
        choose_variant([entry.name for entry in new.files], new.metrics, Device.CPU, 100.0)
        == "model.int8.onnx"
    )
    assert "published resnet50 version 2" in capfd.readouterr().out
