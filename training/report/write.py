"""Writes a run's `report.html` and its model card."""

from __future__ import annotations

import os
from pathlib import Path

from training.data.prepared import PreparedData
from training.errors import RunFolderError
from training.evaluation.predictions import predict_all, write_predictions
from training.progress import Bars
from training.report.card import model_card
from training.report.data import gather, settings_for
from training.report.page import render
from training.run.folder import RunFolder
from training.signature import ONNX


def write_report(folder: RunFolder, data: PreparedData, *, pictures: bool = True) -> Path:
    """Write the page, whole or not at all, and return where it is.

    Without `pictures`, no image of the data is in it. Raises RunFolderError when the folder is no
    run of this data or can't be written.
    """
    return _write(folder.report, render(gather(folder, data, pictures=pictures)))


def write_card(folder: RunFolder, data: PreparedData) -> Path:
    """Write the model card of a finished run, whole or not at all, and return where it is.

    Raises RunFolderError as `write_report` does, and for a run that isn't finished.
    """
    facts = gather(folder, data)
    if facts.result is None or facts.predictions is None:
        raise RunFolderError(f"{folder.path}: isn't finished, so there is no model to describe")
    return _write(folder.card, model_card(facts, facts.result, facts.predictions))


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise RunFolderError(f"{path}: {error.strerror or error}") from None
    return path


def predict_if_missing(folder: RunFolder, data: PreparedData, bars: Bars) -> None:
    """Have a finished run's predictions in its folder, as older versions didn't keep them.

    Raises RunFolderError when the folder is no run of this data or they can't be written,
    ExportError when the export is broken.
    """
    settings_for(folder, data)
    if folder.result() is None or folder.predictions.exists():
        return
    from training.evaluation.variants import open_onnx

    predict = open_onnx(folder.export / ONNX)
    predictions = predict_all(predict, data.val, bars, title=f"evaluating {ONNX}")
    try:
        write_predictions(folder.predictions, predictions)
    except OSError as error:
        raise RunFolderError(f"{folder.predictions}: {error.strerror or error}") from None
