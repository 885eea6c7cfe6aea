"""Variants of a run's export, and their place in its result."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from training.classes import read_classes
from training.data.prepared import PreparedData
from training.errors import RunFolderError
from training.evaluation.evaluate import Scores
from training.evaluation.scorecard import outputs_of
from training.progress import Bars
from training.report.data import settings_for
from training.run.folder import Result, RunFolder
from training.signature import ONNX
from training.variants.make import make_variants
from training.variants.settings import Quantization, VariantName, file_of


def add_to_run(
    folder: RunFolder,
    name: VariantName,
    quantization: Quantization,
    data: PreparedData,
    bars: Bars,
) -> Result:
    """Make the variant of a finished run's export, and return its result with the variant in it.

    What is published already stays as it is. Raises RunFolderError for a run that isn't finished
    or is of other data, ExportError where the variant can't be made.
    """
    settings = settings_for(folder, data)
    result = folder.result()
    if result is None or not (folder.export / ONNX).is_file():
        raise RunFolderError(
            f"{folder.path}: has no finished export; start its training again, or make one of a "
            f"checkpoint: python -m training export {folder.path}"
        )
    outputs = outputs_of(read_classes(folder.export), data.classes)
    found = make_variants(
        [name],
        folder.export,
        data,
        outputs,
        bars,
        quantization=quantization,
        holdout=settings.recipe.holdout,
    )
    result = with_variants(result, found, quantization)
    folder.write_result(result)
    return result


def with_variants(
    result: Result, found: Mapping[str, Scores], quantization: Quantization
) -> Result:
    """Return the result with these variants' scores, and how int8 was made if it is among them."""
    made = quantization if file_of("int8") in found else result.quantization
    variants = result.variants | dict(found)
    return msgspec.structs.replace(result, variants=variants, quantization=made)
