"""Put a finished run's export on the shelf."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from model_store import Lineage, ModelStore, StoreError, open_store
from model_store.gate import POINTS
from training.errors import PublishError
from training.evaluation.evaluate import Scores
from training.progress import BYTES, Bar, Bars
from training.run.folder import Publication, Result, RunFolder, RunSettings
from training.self_test import known_answers
from training.signature import signature

OpenStore = Callable[[str], ModelStore]


def check_store(url: str, model: str, *, opener: OpenStore = open_store) -> None:
    """Raise PublishError unless `model` could be published now: before training, not after."""
    try:
        opener(url).check_writable(model)
    except StoreError as error:
        raise PublishError(f"can't publish there, so training didn't start: {error}") from None


def publish(
    folder: RunFolder,
    settings: RunSettings,
    result: Result,
    *,
    url: str,
    model: str,
    class_count: int,
    bars: Bars,
    gate: float | None = POINTS,
    opener: OpenStore = open_store,
) -> Publication:
    """Publish the export and record the version in the run folder.

    `gate` is that of `ModelStore.publish`: by how many points it may be worse than production.
    Raises PublishError when the store refuses or can't be reached; the export is kept, and the
    message says how to publish it later. Raises ExportError when the export's models don't answer.
    """
    transfer = TransferBar(bars)
    try:
        store = opener(url)
        manifest = store.publish(
            model,
            folder.export,
            signature=signature(class_count),
            metrics=metrics(result),
            lineage=lineage(settings, result, store=store.url, model=model),
            self_test=known_answers(folder.export),
            progress=transfer,
            gate=gate,
            say=bars.say,
        )
    except StoreError as error:
        raise PublishError(
            f"{error} - the export is kept; publish it later with: "
            f"python -m training publish {folder.path} --store {url} --model {model}"
        ) from None
    finally:
        transfer.close()
    publication = Publication(store=url, model=model, version=manifest.version)
    folder.add_publication(publication)
    return publication


def metrics(result: Result) -> dict[str, dict[str, float]]:
    """Return what each variant reaches, under the file that holds the variant."""
    return metrics_of(result.variants)


def metrics_of(variants: Mapping[str, Scores]) -> dict[str, dict[str, float]]:
    """Return scores as a manifest has them."""
    names = ("top1", "top5", "loss", "calibration_error")
    found = {
        file: {name: getattr(scores, name) for name in names} for file, scores in variants.items()
    }
    # Runs of older versions didn't measure all of them.
    return {
        file: {name: value for name, value in values.items() if value is not None}
        for file, values in found.items()
    }


def lineage(settings: RunSettings, result: Result, *, store: str, model: str) -> Lineage:
    """Return where the version comes from.

    Its parent is the version that it was fine-tuned from, if that is of the same model in the same
    store; weights of any other origin are named among the hyperparameters, with their SHA-256.
    """
    facts = msgspec.to_builtins(settings.recipe) | {"steps": result.step}
    if settings.resumed_with:
        facts["code_versions"] = list(settings.code_versions)
    if result.temperature is not None:
        facts["temperature"] = result.temperature
    if result.quantization is not None:
        facts["int8"] = msgspec.to_builtins(result.quantization)
    parent = None
    if (initial := settings.initial) is not None:
        facts["initial_weights"] = {"origin": initial.origin, "sha256": initial.sha256}
        if (initial.store, initial.model) == (store, model):
            parent = initial.version
    return Lineage(
        code_version=settings.code_version,
        data_digest=settings.data_digest,
        mode=settings.mode,
        world_size=settings.world_size,
        hyperparameters=facts,
        parent_version=parent,
        started_at=settings.started_at,
        finished_at=result.finished_at,
        host=settings.host,
    )


class TransferBar:
    """Shows what the store reports: one bar a stage, in bytes."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._bar: Bar | None = None
        self._stage = ""
        self._done_bytes = 0

    def __call__(self, stage: str, done_bytes: int, total_bytes: int, /) -> None:
        """Take the state of a stage; see `model_store.Progress`."""
        if stage != self._stage:
            self.close()
            self._stage, self._done_bytes = stage, 0
            self._bar = self._bars.open(stage, total=total_bytes, unit=BYTES)
        if self._bar is not None:
            self._bar.advance(done_bytes - self._done_bytes)
        self._done_bytes = done_bytes

    def close(self) -> None:
        """Finish the running bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
