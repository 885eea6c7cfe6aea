"""A published version once more, with a variant that it didn't have."""

from __future__ import annotations

import msgspec

from model_store import Lineage, Manifest, StoreError, open_store
from model_store.gate import POINTS
from training import origin
from training.classes import read_classes
from training.conversion.convert import UNKNOWN
from training.data.prepared import PreparedData
from training.errors import DataError, PublishError
from training.evaluation.evaluate import Scores
from training.evaluation.scorecard import outputs_of
from training.progress import Bars
from training.publish import OpenStore, TransferBar, metrics_of
from training.run.folder import Publication
from training.self_test import known_answers
from training.signature import ONNX
from training.variants.make import make_variants, measure_onnx
from training.variants.settings import Quantization, VariantName, file_of
from training.weights.versions import VersionRef, pulled


def add_to_version(
    ref: VersionRef,
    name: VariantName,
    quantization: Quantization,
    data: PreparedData,
    bars: Bars,
    *,
    gate: float | None = POINTS,
    opener: OpenStore = open_store,
) -> tuple[Publication, dict[str, Scores]]:
    """Publish the version once more with the variant; return that, and what was measured.

    A published version doesn't change: the new one names it as its parent and has its lineage.
    `gate` is that of `ModelStore.publish`. Raises DataError for data that it wasn't trained on,
    ShelfError where the store can't be used or refuses, ExportError where the variant can't be
    made.
    """
    with pulled(ref, lambda _: True, bars, opener=opener) as folder:
        store = opener(ref.store)
        manifest = store.manifest(ref.model, ref.version)
        _check_data(ref, manifest, data)
        outputs = outputs_of(read_classes(folder), data.classes)
        measured = {ONNX: measure_onnx(folder / ONNX, data, outputs, bars)}
        measured |= make_variants(
            [name],
            folder,
            data,
            outputs,
            bars,
            quantization=quantization,
            holdout=_holdout(manifest.lineage),
        )
        transfer = TransferBar(bars)
        try:
            published = store.publish(
                ref.model,
                folder,
                signature=manifest.signature,
                metrics=manifest.metrics | metrics_of(measured),
                lineage=_lineage(manifest, name, quantization),
                self_test=known_answers(folder),
                progress=transfer,
                gate=gate,
                say=bars.say,
            )
        except StoreError as error:
            raise PublishError(f"{ref}: not published with {file_of(name)}: {error}") from None
        finally:
            transfer.close()
    return Publication(store=ref.store, model=ref.model, version=published.version), measured


def _check_data(ref: VersionRef, manifest: Manifest, data: PreparedData) -> None:
    """Raise DataError where accuracies of one version would be of different images."""
    known = manifest.lineage.data_digest
    if known not in {UNKNOWN, data.digest}:
        raise DataError(
            f"{ref} is trained and measured on data of the digest {known[:12]}, this has "
            f"{data.digest[:12]}; give the same data"
        )


def _holdout(lineage: Lineage) -> float:
    """Return the part of the training images that the version wasn't trained on, as it says."""
    part = lineage.hyperparameters.get("holdout")
    return float(part) if isinstance(part, int | float) and 0.0 <= part < 1.0 else 0.0


def _lineage(manifest: Manifest, name: VariantName, quantization: Quantization) -> Lineage:
    made = {"code_version": origin.code_version()}
    if name == "int8":
        made |= msgspec.to_builtins(quantization)
    facts = manifest.lineage.hyperparameters | {name: made}
    return msgspec.structs.replace(
        manifest.lineage, hyperparameters=facts, parent_version=manifest.version
    )
