"""Whole runs, of a small network, that begin with a published version: frozen, on other classes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from model_store import Lineage, open_store
from tests.eventually import eventually
from tests.training import running
from tests.training.running import START_S, reach, small_network
from training.run.checkpoints import Checkpoints
from training.run.folder import RunFolder
from training.weights.versions import read_saved_model

STEPS = 5
# The small network's width, doubled in three stages, and four times as many in a block's end.
FEATURES = 8 * 2**3 * 4
TUNING = ["--freeze", "backbone", "--ema", "0.9"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


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
def folder(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    """A place for runs; `runs/first` is a finished one, and version 1 of its shelf."""
    folder = tmp_path_factory.mktemp("tuning")
    train(folder, drawn, "first")
    return folder


def shelf(folder: Path) -> str:
    return f"file://{folder}/shelf"


def export_of(folder: Path, name: str) -> Path:
    return folder / "runs" / name / "export"


def training(folder: Path, data: Path, name: str, *arguments: str) -> list[str]:
    command = ["train", "--data", str(data), "--cache", str(folder / "cache")]
    command += ["--store", shelf(folder), "--run", f"runs/{name}", "--checkpoint-every", "1"]
    command += ["--epochs", "1", "--steps-per-epoch", str(STEPS), "--batch-size", "8"]
    return [*command, "--precision", "float32", *arguments]


def train(folder: Path, data: Path, name: str, *arguments: str, code: int = 0) -> str:
    command = training(folder, data, name, *arguments)
    return running.said(folder, *command, code=code, environment=small_network())


@pytest.fixture(scope="module")
def other(drawn: Path, folder: Path) -> Path:
    """A data set of three classes, two of which version 1 knows."""
    wnids = [*(drawn / "wnids.txt").read_text().split()[:2], "n80000000"]
    return some_classes(drawn, folder / "other", wnids)


@pytest.fixture(scope="module")
def tuned(folder: Path, other: Path) -> str:
    """What the run `tuned` says, which begins with version 1, and tunes it on other classes."""
    return train(folder, other, "tuned", "--init-from", "1", *TUNING)


def started(folder: Path, command: list[str]) -> AbstractContextManager[subprocess.Popen[str]]:
    return running.started(folder, *command, environment=small_network())


def version_of(folder: Path, name: str) -> int:
    """The version that a run became."""
    (publication,) = RunFolder(folder / "runs" / name).publications()
    return publication.version


def lineage(folder: Path, version: int) -> Lineage:
    return open_store(shelf(folder)).manifest("resnet50", version).lineage


def test_a_version_is_tuned_on_other_classes_with_its_backbone_fixed(
    folder: Path, other: Path, tuned: str
) -> None:
    origin = f"resnet50 version 1 of {shelf(folder)}"
    assert f"initial weights: {origin}; the head begins anew for 3" in tuned
    version = lineage(folder, version_of(folder, "tuned"))
    assert version.parent_version == 1
    assert lineage(folder, 1).parent_version is None
    settings = json.loads((folder / "runs" / "tuned" / "settings.json").read_text())
    assert version.hyperparameters["initial_weights"] == {
        "origin": origin,
        "sha256": settings["initial"]["sha256"],
    }
    before = read_saved_model(export_of(folder, "first")).arrays
    after = read_saved_model(export_of(folder, "tuned")).arrays
    for name in before.keys() - {"logits/kernel", "logits/bias"}:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert after["logits/kernel"].shape == (FEATURES, 3)

    again = train(folder, other, "tuned", "--init-from", "1", *TUNING)
    assert "nothing is left to train" in again
    assert "init_from 1 → None" in train(folder, other, "tuned", code=4)


def test_a_tuned_run_that_is_killed_goes_on_from_what_it_began_with_to_the_very_weights(
    folder: Path, other: Path, tuned: str
) -> None:
    store = open_store(shelf(folder))
    store.label("resnet50", "base", 1)
    run = folder / "runs" / "killed"
    command = training(folder, other, "killed", "--init-from", "base", *TUNING)
    # Before the first step, and after one: by then the label means another version.
    with started(folder, command) as process:
        eventually(RunFolder(run).settings, within_s=START_S, what="the run's settings")
        assert process.poll() is None
    store.label("resnet50", "base", version_of(folder, "tuned"))
    with started(folder, command) as process:
        reach(process, run, 1)
        process.kill()
        output, _ = process.communicate()
    assert f"initial weights: resnet50 version 1 of {shelf(folder)}" in output
    stopped_at = Checkpoints(run / "checkpoints").steps()[-1]
    assert stopped_at < STEPS
    with started(folder, command) as process:
        reach(process, run, STEPS)
        process.kill()
        output, _ = process.communicate()
    assert f"resuming after step {stopped_at} of {STEPS}" in output
    assert "initial weights" not in output

    ours = Checkpoints(run / "checkpoints").load(STEPS)
    theirs = Checkpoints(folder / "runs" / "tuned" / "checkpoints").load(STEPS)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)


def test_the_whole_network_is_tuned_on_the_same_classes_with_their_head(
    folder: Path, drawn: Path
) -> None:
    export = str(export_of(folder, "first"))
    rate = ["--learning-rate", "0.001"]
    output = train(folder, drawn, "whole", "--init-from", export, *rate, "--stem", "stride2")
    assert f"initial weights: {export}; the head is taken over for 200 classes" in output
    assert lineage(folder, version_of(folder, "whole")).parent_version is None
    settings = json.loads((folder / "runs" / "whole" / "settings.json").read_text())
    assert settings["initial"]["version"] is None
    before = read_saved_model(export_of(folder, "first")).arrays
    after = read_saved_model(export_of(folder, "whole")).arrays
    for name in ("conv1_conv/kernel", "logits/kernel"):
        old = before[name].astype(np.float64)
        difference = np.abs(after[name].astype(np.float64) - old).max()
        assert 0 < difference < 0.1 * np.abs(old).max()


def test_what_does_not_fit_is_one_line_and_leaves_no_checkpoint(folder: Path, drawn: Path) -> None:
    output = train(folder, drawn, "full", "--init-from", "1", "--stem", "full", code=2)
    assert "first convolution is 7×7, here it is 3×3" in output
    assert "Traceback" not in output
    assert not (folder / "runs" / "full" / "settings.json").exists()
    output = train(folder, drawn, "gone", "--init-from", "gone", code=7)
    assert "'gone' is no version and no label" in output
    output = train(folder, drawn, "cold", "--freeze", "backbone", code=2)
    assert "give --init-from as well" in output
    assert not (folder / "runs" / "cold").exists()
