"""A real run of ResNet-50, start to published version, and the same run killed on its way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from model_store import open_store
from tests.eventually import eventually
from training.backend import tf
from training.evaluation.predictions import read_predictions
from training.run.checkpoints import Checkpoints
from training.run.folder import RunFolder

ROOT = Path(__file__).parents[2]
STEPS = 6
RECIPE = ["--epochs", "2", "--steps-per-epoch", "3", "--batch-size", "8", "--seed", "5"]
RECIPE += ["--precision", "float32"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@contextmanager
def started(run: Path, data: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A training process; killed at the latest when the block ends."""
    command = [sys.executable, "-m", "training", "train", "--data", str(data), "--run", str(run)]
    command += [*RECIPE, "--cache", str(run.parent / "cache"), "--checkpoint-every", "1"]
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=run.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def finished(*arguments: str, folder: Path) -> str:
    """What a command that succeeds says on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reached(run: Path, step: int) -> bool:
    return bool((steps := Checkpoints(run / "checkpoints").steps()) and steps[-1] >= step)


def events(folder: Path) -> list[tuple[int, float, Any]]:
    """Step, time and top-1 of each event in TensorBoard's file."""
    (file,) = folder.glob("events.out.tfevents.*")
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    return [
        (event.step, event.wall_time, value.simple_value)
        for event in map(tf.compat.v1.Event.FromString, records)
        for value in event.summary.value
        if value.tag == "top-1"
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def store(folder: Path) -> str:
    return f"file://{folder}/shelf"


@pytest.fixture(scope="module")
def undisturbed(folder: Path, drawn: Path, store: str) -> tuple[Path, str]:
    """A run that went to its end and was published, with what it said."""
    run = folder / "undisturbed"
    with started(run, drawn, "--store", store) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    return run, output


def test_a_run_ends_as_a_version_that_answers(
    undisturbed: tuple[Path, str], drawn: Path, store: str, tmp_path: Path
) -> None:
    _, output = undisturbed
    assert "published resnet50 version 1" in output
    manifest = open_store(store).manifest("resnet50", 1)
    assert manifest.lineage.mode == "single"
    assert manifest.metrics.keys() == {"saved_model.pb", "model.onnx"}
    pulled = open_store(store).pull("resnet50", 1, tmp_path / "pulled")
    assert (pulled / "saved_model.pb").exists()
    names = json.loads((pulled / "classes.json").read_text())
    assert [item["wnid"] for item in names] == (drawn / "wnids.txt").read_text().split()
    assert names[0]["label"] == "red plain disc"
    session = onnxruntime.InferenceSession(pulled / "model.onnx")
    image = np.zeros((3, 64, 64, 3), np.uint8)
    (probabilities,) = session.run(["probabilities"], {"image": image})
    assert probabilities.shape == (3, 200)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_a_run_says_what_it_does_in_lines_and_in_metrics(undisturbed: tuple[Path, str]) -> None:
    run, output = undisturbed
    for words in ("preparing images", "epoch 1/2", "validation loss", "comparing SavedModel"):
        assert words in output
    assert "cpu_feature_guard" not in output
    assert "WARNING" not in output
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if line["kind"] == "eval"]
    assert [(line["epoch"], line["step"]) for line in evaluated] == [(1, 3), (2, 6)]
    assert all(line["images"] == 200 for line in evaluated)


def test_a_killed_run_ends_with_the_weights_of_one_never_killed(
    undisturbed: tuple[Path, str], folder: Path, drawn: Path
) -> None:
    run = folder / "killed"
    with started(run, drawn) as process:
        eventually(lambda: reached(run, 1), within_s=120, what="a checkpoint")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    assert process.returncode == 143, output
    assert "a checkpoint is written" in output
    stopped_at = Checkpoints(run / "checkpoints").steps()[-1]
    assert stopped_at < STEPS

    with started(run, drawn) as process:
        eventually(lambda: reached(run, stopped_at + 1), within_s=120, what="a checkpoint")
        process.kill()
        output, _ = process.communicate()
    assert f"resuming after step {stopped_at} of {STEPS}" in output

    with started(run, drawn) as process:
        eventually(lambda: reached(run, STEPS), within_s=120, what="a checkpoint")
    assert not (run / "result.json").exists()

    ours = Checkpoints(run / "checkpoints").load(STEPS)
    theirs = Checkpoints(undisturbed[0] / "checkpoints").load(STEPS)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)

    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [3, 6]
    assert events(run / "tensorboard" / "validation") == [
        (line["step"], line["at"], pytest.approx(line["top1"])) for line in logged
    ]


def test_a_run_ends_with_a_report_of_what_its_export_answers(
    undisturbed: tuple[Path, str], folder: Path
) -> None:
    run, output = undisturbed
    assert f"report: {run}/report.html" in output
    page = (run / "report.html").read_text()
    predictions = read_predictions(run / "predictions.npz")
    result = RunFolder(run).result()
    assert predictions is not None
    assert result is not None
    assert predictions.right.mean() == pytest.approx(result.variants["model.onnx"].top1)
    assert f"<b>{result.variants['model.onnx'].top1:.1%}</b>" in page
    assert "red plain disc" in page
    assert "resnet50 version 1 to file://" in page
    assert str(result.machine).split(";", maxsplit=1)[0] in page

    # A page that went astray, and a run of a version that kept no predictions.
    (run / "report.html").unlink()
    (run / "predictions.npz").unlink()
    output = finished("report", str(run), "--cache", str(folder / "cache"), folder=folder)
    assert f"report: {run}/report.html" in output
    again = read_predictions(run / "predictions.npz")
    assert again is not None
    np.testing.assert_array_equal(again.best, predictions.best)
    np.testing.assert_array_equal(again.own, predictions.own)


def test_a_finished_run_is_not_trained_or_published_twice(
    undisturbed: tuple[Path, str], drawn: Path, store: str
) -> None:
    run, _ = undisturbed
    with started(run, drawn, "--store", store) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "nothing is left to train" in output
    assert "has this run already, as version 1" in output
    assert open_store(store).catalog("resnet50").latest == open_store(store).catalog(
        "resnet50"
    ).find(1)


def test_a_finished_run_is_published_to_another_store_without_training(
    undisturbed: tuple[Path, str], folder: Path
) -> None:
    run, _ = undisturbed
    other = f"file://{folder}/other"
    output = finished("publish", str(run), "--store", other, folder=folder)
    assert f"published resnet50 version 1 to {other}" in output
    assert open_store(other).manifest("resnet50", 1).lineage.data_digest


def test_the_accuracy_of_export_and_checkpoint_is_that_of_the_last_evaluation(
    undisturbed: tuple[Path, str], folder: Path, drawn: Path
) -> None:
    run, _ = undisturbed
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    said = f"top-1 {last['top1']:.2%}, top-5 {last['top5']:.2%}"
    options = ["--data", str(drawn), "--cache", str(folder / "cache")]
    output = finished("evaluate", str(run), *options, folder=folder)
    assert f"model.onnx: {said}" in output
    assert f"saved_model.pb: {said}" in output
    output = finished("evaluate", str(run), *options, "--checkpoint", "last", folder=folder)
    assert f"checkpoint of step {STEPS}: {said}" in output


def test_other_settings_are_refused_with_what_differs(
    undisturbed: tuple[Path, str], drawn: Path
) -> None:
    run, _ = undisturbed
    with started(run, drawn, "--epochs", "3") as process:
        output, _ = process.communicate()
    assert process.returncode == 4
    assert "epochs 2 → 3" in output
