"""A real run of ResNet-50, start to published version, and the same run killed on its way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from model_store import open_store
from tests.training.running import (
    ROOT,
    STEPS,
    Published,
    reach,
    said,
    started,
    training,
)
from training.backend import tf
from training.evaluation.predictions import read_predictions
from training.run.checkpoints import Checkpoints
from training.run.folder import RunFolder

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


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


def test_a_run_ends_as_a_version_that_answers(
    published: Published, drawn: Path, tmp_path: Path
) -> None:
    assert "published resnet50 version 1" in published.output
    store = open_store(published.store)
    manifest = store.manifest("resnet50", 1)
    assert manifest.lineage.mode == "single"
    assert manifest.metrics.keys() == {"saved_model.pb", "model.onnx"}
    pulled = store.pull("resnet50", 1, tmp_path / "pulled")
    assert (pulled / "saved_model.pb").exists()
    names = json.loads((pulled / "classes.json").read_text())
    assert [item["wnid"] for item in names] == (drawn / "wnids.txt").read_text().split()
    assert names[0]["label"] == "red plain disc"
    session = onnxruntime.InferenceSession(pulled / "model.onnx")
    image = np.zeros((3, 64, 64, 3), np.uint8)
    (probabilities,) = session.run(["probabilities"], {"image": image})
    assert probabilities.shape == (3, 200)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_a_run_says_what_it_does_in_lines_and_in_metrics(published: Published) -> None:
    run, output = published.run, published.output
    for words in ("preparing images", "epoch 1/2", "validation loss", "comparing SavedModel"):
        assert words in output
    assert "cpu_feature_guard" not in output
    assert "WARNING" not in output
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluated = [line for line in lines if line["kind"] == "eval"]
    assert [(line["epoch"], line["step"]) for line in evaluated] == [(1, 3), (2, 6)]
    assert all(line["images"] == 200 for line in evaluated)


def test_a_killed_run_ends_with_the_weights_of_one_never_killed(
    published: Published, drawn: Path
) -> None:
    folder, run = published.folder, published.folder / "killed"
    command = training(run, drawn)
    with started(folder, *command) as process:
        reach(process, run, 1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    assert process.returncode == 143, output
    assert "a checkpoint is written" in output
    stopped_at = Checkpoints(run / "checkpoints").steps()[-1]
    assert stopped_at < STEPS

    with started(folder, *command) as process:
        reach(process, run, stopped_at + 1)
        process.kill()
        output, _ = process.communicate()
    assert f"resuming after step {stopped_at} of {STEPS}" in output

    with started(folder, *command) as process:
        reach(process, run, STEPS)
    assert not (run / "result.json").exists()

    ours = Checkpoints(run / "checkpoints").load(STEPS)
    theirs = Checkpoints(published.run / "checkpoints").load(STEPS)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)

    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [3, 6]
    assert events(run / "tensorboard" / "validation") == [
        (line["step"], line["at"], pytest.approx(line["top1"])) for line in logged
    ]


def test_a_run_ends_with_a_report_of_what_its_export_answers(published: Published) -> None:
    folder, run, output = published.folder, published.run, published.output
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
    output = said(folder, "report", str(run), "--cache", str(folder / "cache"))
    assert f"report: {run}/report.html" in output
    again = read_predictions(run / "predictions.npz")
    assert again is not None
    np.testing.assert_array_equal(again.best, predictions.best)
    np.testing.assert_array_equal(again.own, predictions.own)


def test_a_finished_run_is_not_trained_or_published_twice(
    published: Published, drawn: Path
) -> None:
    command = training(published.run, drawn, "--store", published.store)
    output = said(published.folder, *command)
    assert "nothing is left to train" in output
    assert "has this run already, as version 1" in output
    catalog = open_store(published.store).catalog("resnet50")
    assert catalog.latest == catalog.find(1)


def test_a_finished_run_is_published_to_another_store_without_training(
    published: Published,
) -> None:
    other = f"file://{published.folder}/other"
    output = said(published.folder, "publish", str(published.run), "--store", other)
    assert f"published resnet50 version 1 to {other}" in output
    assert open_store(other).manifest("resnet50", 1).lineage.data_digest


def test_the_accuracy_of_export_and_checkpoint_is_that_of_the_last_evaluation(
    published: Published, drawn: Path
) -> None:
    folder, run = published.folder, published.run
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    scores = f"top-1 {last['top1']:.2%}, top-5 {last['top5']:.2%}"
    options = ["--data", str(drawn), "--cache", str(folder / "cache")]
    output = said(folder, "evaluate", str(run), *options)
    assert f"model.onnx: {scores}" in output
    assert f"saved_model.pb: {scores}" in output
    output = said(folder, "evaluate", str(run), *options, "--checkpoint", "last")
    assert f"checkpoint of step {STEPS}: {scores}" in output


def test_other_settings_are_refused_with_what_differs(published: Published, drawn: Path) -> None:
    command = training(published.run, drawn, "--epochs", "3")
    output = said(published.folder, *command, code=4)
    assert "epochs 2 → 3" in output


def test_an_export_is_translated_to_the_same_bytes_again_in_little_memory(
    published: Published, tmp_path: Path
) -> None:
    export = published.run / "export"
    paths = [str(export), str(tmp_path / "again.onnx")]
    command = [sys.executable, "-m", "training.translator", *paths]
    # Linux counts what a process's parent had in memory when it forked as the process's own, so it
    # gets a parent that has next to nothing.
    measured = f"""if True:
        import resource, subprocess
        with subprocess.Popen({command!r}, stdin=subprocess.PIPE) as process:
            assert process.wait() == 0
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    """
    used_kib = int(subprocess.check_output([sys.executable, "-c", measured], cwd=ROOT))
    assert (tmp_path / "again.onnx").read_bytes() == (export / "model.onnx").read_bytes()
    assert used_kib < 2.5 * 2**20
