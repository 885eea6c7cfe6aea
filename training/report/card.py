"""The model card: what whoever gets the model should know of it, as Markdown.

Pure: a finished run goes in, text comes out. What only its maker can say, such as what the model
is for and which licence its data stands under, is to be written beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from training.evaluation.predictions import Predictions
from training.progress import duration
from training.report.confusion import class_scores, confused_pairs, ranked, reliability
from training.report.data import ReportData
from training.run.folder import Result

PAIRS = 20

_Rows = Iterable[Sequence[object]]


def model_card(data: ReportData, result: Result, predictions: Predictions) -> str:
    """Return the card of a run; `predictions` are the float32 model's of the validation images."""
    classes = len(data.classes)
    what = (
        f"ResNet-50 with the stem `{data.settings.recipe.stem}` for images of 64×64 pixels in "
        f"{classes:,} classes. Input `image`, uint8 [N, 64, 64, 3], RGB; output `probabilities`, "
        f"float32 [N, {classes}], in the order of `classes.json`."
    )
    measured = f"On {len(predictions):,} validation images, none of which it was trained on."
    believed = (
        "First guesses of the float32 model by their probability, and how many are right. The "
        "calibration error above is the mean distance between the two, in 15 bins (Guo et al. "
        "2017, arXiv:1706.04599)."
    )
    by_class = ("class", "WordNet id", "images", "top-1", "mistaken most often for")
    parts = [
        f"# {data.name}",
        what,
        _table(("", ""), _origin(data, result)),
        "## Accuracy",
        measured,
        _table(("file", "top-1", "top-5", "loss, nats", "calibration error"), _variants(result)),
        "## Whether its probabilities can be believed",
        believed,
        _table(("probability", "images", "mean", "right"), _certainty(predictions)),
        "## What it confuses",
        _table(("class", "with", "taken for that", "and back"), _confused(data, predictions)),
        "## Every class",
        "Best first; the float32 model.",
        _table(by_class, _by_class(data, predictions)),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(data: ReportData, result: Result) -> _Rows:
    settings = data.settings
    work = f"{data.step:,} steps of {data.images_a_step:,} images"
    yield "trained", f"{settings.started_at[:10]}, {work}"
    if data.training_s is not None:
        yield "time of these steps", duration(data.training_s)
    yield "mode", settings.mode
    yield "devices", settings.world_size
    if result.machine is not None:
        yield "machine", result.machine
    yield "code", f"Hotshelf {settings.code_version}"
    yield "data", f"{data.train_images:,} training images, digest `{settings.data_digest[:16]}…`"
    if result.temperature is not None:
        yield "temperature in the graph", f"{result.temperature:.3f}"


def _variants(result: Result) -> _Rows:
    for file, scores in result.variants.items():
        error = scores.calibration_error
        yield (
            f"`{file}`",
            f"{scores.top1:.2%}",
            f"{scores.top5:.2%}",
            f"{scores.loss:.4f}",
            "–" if error is None else f"{error:.2%}",
        )


def _certainty(predictions: Predictions) -> _Rows:
    for each in reliability(predictions):
        if each.images:
            span = f"{each.low:.0%}–{each.high:.0%}"
            yield span, f"{each.images:,}", f"{each.confidence:.1%}", f"{each.accuracy:.1%}"


def _confused(data: ReportData, predictions: Predictions) -> _Rows:
    for pair in confused_pairs(predictions, PAIRS):
        names = data.classes[pair.first].label, data.classes[pair.second].label
        yield *names, len(pair.first_as_second), len(pair.second_as_first)


def _by_class(data: ReportData, predictions: Predictions) -> _Rows:
    for score in ranked(class_scores(predictions, len(data.classes))):
        name = data.classes[score.index]
        taken = "–" if score.taken_for is None else data.classes[score.taken_for].label
        yield name.label, f"`{name.wnid}`", score.images, f"{score.top1:.0%}", taken


def _table(head: Sequence[object], rows: _Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")
