"""Real runs of ResNet-50 that begin with a published version, frozen, on other classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model_store import Lineage, open_store
from training.weights.versions import read_saved_model

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def command(folder: Path, *arguments: str, code: int = 0) -> str:
    """What a command says on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments, "--cache", str(folder / "cache")],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def some_classes(drawn: Path, folder: Path, wnids: Sequence[str]) -> Path:
    """Write a data set of as many of the drawn classes, called by these ids."""
    (folder / "val" / "images").mkdir(parents=True)
    words, annotations = [], []
    originals = (drawn / "wnids.txt").read_text().split()
    for number, (wnid, original) in enumerate(zip(wnids, originals, strict=False)):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        source = next((drawn / "train" / original / "images").iterdir())
        for copy in range(4):
            (images / f"{wnid}_{copy}.JPEG").write_bytes(source.read_bytes())
        (folder / "val" / "images" / f"val_{number}.JPEG").write_bytes(source.read_bytes())
        annotations.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t63\t63")
        words.append(f"{wnid}\tclass {number}")
    (folder / "wnids.txt").write_text("\n".join(wnids))
    (folder / "words.txt").write_text("\n".join(words))
    (folder / "val" / "val_annotations.txt").write_text("\n".join(annotations))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def first(drawn: Path, folder: Path) -> Path:
    """A data set of four drawn classes."""
    return some_classes(drawn, folder / "first", (drawn / "wnids.txt").read_text().split()[:4])


def train(folder: Path, data: Path, name: str, *arguments: str, code: int = 0) -> str:
    store = ["--store", f"file://{folder}/shelf", "--run", f"runs/{name}"]
    short = ["--epochs", "1", "--max-steps", "2", "--batch-size", "8", "--precision", "float32"]
    return command(folder, "train", "--data", str(data), *store, *short, *arguments, code=code)


@pytest.fixture(scope="module")
def published(folder: Path, first: Path) -> str:
    """A shelf with version 1, trained on the first data set."""
    train(folder, first, "first")
    return f"file://{folder}/shelf"


def lineage(store: str, version: int) -> Lineage:
    return open_store(store).manifest("resnet50", version).lineage


def test_a_version_is_tuned_on_other_classes_with_its_backbone_fixed(
    folder: Path, drawn: Path, first: Path, published: str
) -> None:
    wnids = [*(first / "wnids.txt").read_text().split()[:2], "n80000000"]
    data = some_classes(drawn, folder / "other", wnids)
    options = ["--init-from", "1", "--freeze", "backbone", "--ema", "0.9"]
    said = train(folder, data, "tuned", *options)
    assert f"initial weights: resnet50 version 1 of {published}; the head begins anew for 3" in said
    tuned = lineage(published, 2)
    assert tuned.parent_version == 1
    assert lineage(published, 1).parent_version is None
    settings = json.loads((folder / "runs" / "tuned" / "settings.json").read_text())
    assert tuned.hyperparameters["initial_weights"] == {
        "origin": f"resnet50 version 1 of {published}",
        "sha256": settings["initial"]["sha256"],
    }
    before = read_saved_model(folder / "runs" / "first" / "export").arrays
    after = read_saved_model(folder / "runs" / "tuned" / "export").arrays
    for name in before.keys() - {"logits/kernel", "logits/bias"}:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert after["logits/kernel"].shape == (2048, 3)

    said = train(folder, data, "tuned", *options)
    assert "nothing is left to train" in said
    said = train(folder, data, "tuned", code=4)
    assert "init_from 1 → None" in said


def test_the_whole_network_is_tuned_on_the_same_classes_with_their_head(
    folder: Path, first: Path, published: str
) -> None:
    export = str(folder / "runs" / "first" / "export")
    rate = ["--learning-rate", "0.001"]
    said = train(folder, first, "whole", "--init-from", export, *rate, "--stem", "stride2")
    assert f"initial weights: {export}; the head is taken over for 4 classes" in said
    assert open_store(published).catalog("resnet50").latest is not None
    settings = json.loads((folder / "runs" / "whole" / "settings.json").read_text())
    assert settings["initial"]["version"] is None
    before = read_saved_model(folder / "runs" / "first" / "export").arrays
    after = read_saved_model(folder / "runs" / "whole" / "export").arrays
    for name in ("conv1_conv/kernel", "logits/kernel"):
        old = before[name].astype(np.float64)
        difference = np.abs(after[name].astype(np.float64) - old).max()
        assert 0 < difference < 0.1 * np.abs(old).max()


def test_what_does_not_fit_is_one_line_and_leaves_no_checkpoint(
    folder: Path, first: Path, published: str
) -> None:
    said = train(folder, first, "full", "--init-from", "1", "--stem", "full", code=2)
    assert "first convolution is 7×7, here it is 3×3" in said
    assert "Traceback" not in said
    assert not (folder / "runs" / "full" / "settings.json").exists()
    said = train(folder, first, "gone", "--init-from", "gone", code=7)
    assert "'gone' is no version and no label" in said
    said = train(folder, first, "cold", "--freeze", "backbone", code=2)
    assert "give --init-from as well" in said
    assert not (folder / "runs" / "cold").exists()
