"""From trained weights to a checked export: what may be published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training import origin
from training.assemble import architecture_of
from training.backend import tf
from training.calibrate import calibrate
from training.data.holdout import held_out
from training.data.prepared import PreparedData
from training.errors import TrainingError
from training.evaluation.compare import check_agreement, compare
from training.evaluation.predictions import Predictions, write_predictions
from training.evaluation.variants import open_onnx, open_saved_model
from training.export import export
from training.outlook.machine import this_machine
from training.progress import Bars
from training.report.write import write_report
from training.run.folder import Result, RunFolder
from training.settings import Recipe
from training.signature import ONNX, SAVED_MODEL
from training.variants.make import make_variants
from training.variants.of_run import with_variants
from training.variants.settings import Quantization, VariantName


def finish(
    folder: RunFolder,
    model: Any,
    recipe: Recipe,
    data: PreparedData,
    bars: Bars,
    *,
    step: int,
    variants: Sequence[VariantName] = (),
) -> Result:
    """Export the model, compare SavedModel and ONNX on all validation images, record and report it.

    The recipe says whether probabilities get a temperature. Of `variants`, the accuracy alone is
    measured: they may differ, and who serves them decides. Raises ExportError when the translation
    fails or SavedModel and ONNX disagree; the run then has an export but no result, and nothing
    publishes it.
    """
    folder.forget_result()
    temperature = None
    if recipe.calibrate:
        temperature = calibrate(model, held_out(data.train, recipe.holdout), bars)
    bars.say("exporting SavedModel and ONNX")
    architecture = architecture_of(recipe, data)
    export(model, architecture, data.classes, folder.export, temperature=temperature or 1.0)
    saved_model = open_saved_model(folder.export)
    onnx = open_onnx(folder.export / ONNX)
    comparison = compare(saved_model, onnx, data.val, bars)
    check_agreement(comparison)
    result = Result(
        step=step,
        finished_at=origin.now(),
        variants={SAVED_MODEL: comparison.reference, ONNX: comparison.candidate},
        max_difference=comparison.max_difference,
        agreement=comparison.agreement,
        machine=this_machine(gpus=_gpus()),
        temperature=temperature,
    )
    if variants:
        outputs = np.arange(data.class_count, dtype=np.int32)
        quantization = Quantization()
        found = make_variants(
            variants,
            folder.export,
            data,
            outputs,
            bars,
            quantization=quantization,
            holdout=recipe.holdout,
        )
        result = with_variants(result, found, quantization)
    folder.write_result(result)
    _report(folder, comparison.predictions, data, bars)
    return result


def report_again(folder: RunFolder, data: PreparedData, bars: Bars) -> None:
    """Have the page, where there is one, say what came after it, such as a publication."""
    if not folder.report.exists():
        return
    try:
        write_report(folder, data)
    except TrainingError as error:
        bars.say(f"the report is as it was: {error}")


def _report(folder: RunFolder, predictions: Predictions, data: PreparedData, bars: Bars) -> None:
    """Write the page; a run whose page can't be written is finished all the same."""
    try:
        write_predictions(folder.predictions, predictions)
        bars.say(f"report: {write_report(folder, data)}")
    except (OSError, TrainingError) as error:
        bars.say(f"no report: {error}")


def _gpus() -> tuple[str, ...]:
    details = tf.config.experimental.get_device_details
    devices = tf.config.list_physical_devices("GPU")
    return tuple(details(device).get("device_name", device.name) for device in devices)
