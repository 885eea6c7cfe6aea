"""From trained weights to a checked export: what may be published."""

from __future__ import annotations

from typing import Any

from training import origin
from training.compare import check_agreement, compare
from training.data.prepared import PreparedData
from training.export import export
from training.model import Architecture
from training.progress import Bars
from training.run_folder import Result, RunFolder
from training.signature import ONNX, SAVED_MODEL
from training.variants import open_onnx, open_saved_model


def finish(
    folder: RunFolder,
    model: Any,
    architecture: Architecture,
    data: PreparedData,
    bars: Bars,
    *,
    step: int,
) -> Result:
    """Export the model, compare the variants on all validation images, record the result.

    Raises ExportError when the translation fails or the variants disagree; the run then has an
    export but no result, and nothing publishes it.
    """
    folder.forget_result()
    bars.say("exporting SavedModel and ONNX (about 20 s)")
    export(model, architecture, data.classes, folder.export)
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
    )
    folder.write_result(result)
    return result
