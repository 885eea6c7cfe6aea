"""The gate: nothing goes up that is worse than what is in production by more than a margin.

Decided by the top-1 of one file that both versions have, where both were measured on the same data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from model_store.catalog import Catalog
from model_store.errors import Conflict, Corrupt, NotFound
from model_store.manifest import Lineage, Manifest

LABEL = "production"
POINTS = 1.0

_TOP1 = "top1"
_FIRST = "model.onnx"
# What lineages of models of other origin say of their data, and where they were measured.
_UNKNOWN = "unknown"
_MEASURED_ON = "measured_on"
_DIGITS = 6

Metrics = Mapping[str, Mapping[str, float]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the version may go up, and one line that says what it was decided by."""

    passes: bool
    line: str


class Gate:
    """Asks a store for what is in production, by `manifest` of a model and a version."""

    def __init__(self, manifest: Callable[[str, int], Manifest]) -> None:
        self._manifest = manifest

    def check(
        self, catalog: Catalog, metrics: Metrics, lineage: Lineage, *, points: float, say: Say
    ) -> None:
        """Say what the new version was compared with; raise Conflict where it is too bad."""
        verdict = self._verdict(catalog, metrics, lineage, points)
        if verdict.passes:
            say(f"gate: {verdict.line}")
            return
        raise Conflict(
            f"{catalog.model} {catalog.next_version} isn't published: {verdict.line}; publish it"
            " all the same with --allow-worse (in Python gate=None), or allow more with --gate"
            " POINTS"
        )

    def _verdict(
        self, catalog: Catalog, metrics: Metrics, lineage: Lineage, points: float
    ) -> Verdict:
        version = catalog.labels.get(LABEL)
        if version is None:
            return Verdict(passes=True, line=f"no version is labelled {LABEL}, nothing to compare")
        try:
            production = self._manifest(catalog.model, version)
        except (Corrupt, NotFound) as error:
            # What replaces a damaged version mustn't wait for it.
            return Verdict(passes=True, line=f"not compared, as {error}")
        return judge(metrics, lineage, production, points=points)


def judge(metrics: Metrics, lineage: Lineage, production: Manifest, *, points: float) -> Verdict:
    """Return whether a version with these metrics is at most so many points worse."""
    there = f"version {production.version} ({LABEL})"
    file = _common(metrics, production.metrics)
    if file is None:
        return Verdict(passes=True, line=f"no file has a top-1 here and in {there}, not compared")
    data = _measured_on(lineage)
    if data == _UNKNOWN or data != _measured_on(production.lineage):
        return Verdict(passes=True, line=f"{there} was measured on other data, not compared")
    ours, theirs = metrics[file][_TOP1], production.metrics[file][_TOP1]
    worse = round(100 * (theirs - ours), _DIGITS)
    change = f"{worse:.2f} points worse" if worse > 0 else f"{-worse:.2f} points better"
    return Verdict(
        passes=worse <= points,
        line=f"{file} reaches top-1 {ours:.2%}, {there} {theirs:.2%}: {change}, {points:g} allowed",
    )


def _common(ours: Metrics, theirs: Metrics) -> str | None:
    """Return the file to compare: model.onnx, else any that has a top-1 in both."""
    both = sorted(
        (file for file in ours if _TOP1 in ours[file] and _TOP1 in theirs.get(file, {})),
        key=lambda file: (file != _FIRST, file),
    )
    return both[0] if both else None


def _measured_on(lineage: Lineage) -> str:
    if lineage.data_digest != _UNKNOWN:
        return lineage.data_digest
    return str(lineage.hyperparameters.get(_MEASURED_ON, _UNKNOWN))
