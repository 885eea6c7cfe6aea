"""From a SavedModel made by somebody else to what may be published.

`OUT/version/` is the folder to publish, `OUT/data.json` what `python -m model_store publish`
reads with `--data`.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from model_store import Lineage
from training import origin
from training.classes import parse_classes, write_classes
from training.conversion.adopt import adopt, check_behaviour, samples
from training.conversion.foreign import Foreign, inspect
from training.data.layout import ClassName
from training.data.prepared import PreparedData
from training.errors import ExportError, UsageError
from training.evaluation.compare import Comparison, check_agreement, compare
from training.evaluation.variants import open_onnx, open_saved_model
from training.progress import Bars
from training.publish import metrics_of
from training.self_test import known_answers
from training.signature import NAME, ONNX, SAVED_MODEL, signature
from training.translation import translate

VERSION = "version"
DATA = "data.json"
MODE = "imported"
UNKNOWN = "unknown"


def convert(
    folder: Path,
    out: Path,
    classes_file: Path,
    bars: Bars,
    *,
    signature_name: str = NAME,
    output: str | None = None,
    data: PreparedData | None = None,
) -> Comparison:
    """Write `out` and return how close the SavedModel and its translation to ONNX are.

    Compared on the data's validation images, which then become the version's metrics, else on
    drawn ones. Written beside and renamed at the end. Raises ExportError for a model or classes
    that don't fit, UsageError when `out` exists.
    """
    if out.exists():
        raise UsageError(f"{out}: exists already; give another folder or delete it first")
    started_at = origin.now()
    classes = parse_classes(classes_file)
    check_same_classes(classes, data)
    chosen = inspect(folder, class_count=len(classes), signature=signature_name, output=output)
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        comparison = _write_version(chosen, partial / VERSION, classes, bars, data=data)
        measured = (
            {} if data is None else {SAVED_MODEL: comparison.reference, ONNX: comparison.candidate}
        )
        facts = {
            "signature": signature(len(classes)),
            "metrics": metrics_of(measured),
            "lineage": lineage(chosen, started_at=started_at, data=data),
            "self_test": known_answers(partial / VERSION),
        }
        (partial / DATA).write_bytes(msgspec.json.format(msgspec.json.encode(facts)) + b"\n")
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return comparison


def _write_version(
    chosen: Foreign,
    version: Path,
    classes: tuple[ClassName, ...],
    bars: Bars,
    *,
    data: PreparedData | None,
) -> Comparison:
    bars.say(f"loading {chosen.folder}")
    adopt(chosen, len(classes), version)
    predict = open_saved_model(version)
    check_behaviour(predict, len(classes))
    bars.say("translating to ONNX (6 s and 2.1 GB of memory for ResNet-50)")
    translate(version, version / ONNX)
    onnx = open_onnx(version / ONNX)
    comparison = compare(predict, onnx, samples() if data is None else data.val, bars)
    check_agreement(comparison)
    write_classes(version, classes)
    return comparison


def check_same_classes(classes: tuple[ClassName, ...], data: PreparedData | None) -> None:
    """Raise ExportError unless a label of the data means the output of that number."""
    if data is None:
        return
    if len(classes) != len(data.classes):
        raise ExportError(
            f"the data set has {len(data.classes)} classes, but {len(classes)} are named"
        )
    for index, (ours, theirs) in enumerate(zip(classes, data.classes, strict=True)):
        if (ours.wnid or ours.label) not in {theirs.wnid, theirs.label}:
            raise ExportError(
                f"class {index} is {ours.wnid or ours.label}, but {theirs.wnid} ({theirs.label}) in"
                " the data set; without the same order, measuring means nothing"
            )


def lineage(chosen: Foreign, *, started_at: str, data: PreparedData | None) -> Lineage:
    """Return what is known of the model's origin: its file, and that it was converted here."""
    content = (chosen.folder / SAVED_MODEL).read_bytes()
    facts = {
        "imported_from": chosen.folder.resolve().name,
        "saved_model_sha256": hashlib.sha256(content).hexdigest(),
        "signature": chosen.signature,
        "input": chosen.input.name,
        "output": chosen.output.name,
        "tensorflow": chosen.tensorflow or UNKNOWN,
    }
    if data is not None:
        facts["measured_on"] = data.digest
    return Lineage(
        code_version=origin.code_version(),
        data_digest=UNKNOWN,
        mode=MODE,
        world_size=1,
        hyperparameters=facts,
        parent_version=None,
        started_at=started_at,
        finished_at=origin.now(),
        host=origin.host(),
    )
