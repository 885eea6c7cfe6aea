"""What a run cost, what it made, what it was asked for and where it comes from."""

from __future__ import annotations

from datetime import datetime
from typing import get_type_hints

import msgspec

from training.progress import duration
from training.report.data import ReportData
from training.report.markup import Html, element, joined, table
from training.settings import Recipe


def cost(data: ReportData) -> Html:
    """Return time, work, machine and space."""
    settings = data.settings
    rows: list[tuple[str, object]] = []
    if data.training_s is not None and data.images_per_s is not None:
        rows.append(("training steps", duration(data.training_s)))
        rows.append(("speed", f"{data.images_per_s:,.1f} images/s"))
    if data.result is not None:
        elapsed = _seconds_between(settings.started_at, data.result.finished_at)
        rows.append(("start to finish", f"{duration(elapsed)}, pauses included"))
    passes = data.images_seen / max(1, data.train_images)
    rows.append(("steps", f"{data.step:,}, each of {data.images_a_step:,} images"))
    rows.append(("images seen", f"{data.images_seen:,}, {passes:.3g} × the training images"))
    rows.append(("mode", f"{settings.mode}, {_plural(settings.world_size, 'device')}"))
    machine = data.result.machine if data.result else None
    rows.append(("hardware", f"{settings.host}: {machine}" if machine else settings.host))
    sizes = data.sizes
    rows.append(
        ("checkpoints", f"{sizes.checkpoint_count}, together {_megabytes(sizes.checkpoints)}")
    )
    return _pairs(rows)


def variants(data: ReportData) -> Html:
    """Return the accuracy and size of every exported variant, and how far they are apart."""
    result = data.result
    if result is None:
        return element("p", "Nothing is exported yet.")
    rows = [
        (
            name,
            f"{scores.top1:.2%}",
            f"{scores.top5:.2%}",
            f"{scores.loss:.4f}",
            "–" if scores.calibration_error is None else f"{scores.calibration_error:.2%}",
            f"{scores.images:,}",
            _megabytes(data.sizes.variants[name]) if data.sizes.variants.get(name) else "–",
        )
        for name, scores in result.variants.items()
    ]
    head = ("variant", "top-1", "top-5", "loss, nats", "calibration error", "images", "size")
    words = (
        f"Between SavedModel and model.onnx, no probability differs by more than "
        f"{result.max_difference:.1e}; {result.agreement:.2%} of the first guesses are the same."
    )
    return joined([table(head, rows, caption="Exported variants"), element("p", words)])


def recipe(data: ReportData) -> Html:
    """Return every setting, those that aren't the default marked."""
    used, default = data.settings.recipe, Recipe()
    hints = get_type_hints(Recipe, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Recipe):
        value, usual = getattr(used, field.name), getattr(default, field.name)
        shown = _value(value)
        if value != usual:
            shown = joined([element("b", shown), " ", element("small", "default ", _value(usual))])
        meaning = hints[field.name].__metadata__[-1].description
        rows.append((element("code", "--" + field.name.replace("_", "-")), shown, meaning))
    return table(("option", "value", "meaning"), rows, caption="The recipe")


def lineage(data: ReportData) -> Html:
    """Return code, data, times and versions."""
    settings = data.settings
    train, val = f"{data.train_images:,}", f"{len(data.val_images):,}"
    rows: list[tuple[str, object]] = [
        ("code", element("code", " → ".join(settings.code_versions))),
        ("data", f"{train} training and {val} validation images of {len(data.classes):,} classes"),
        ("data digest", element("code", settings.data_digest)),
        ("started", _time(settings.started_at)),
    ]
    if data.result is not None:
        rows.append(("finished", _time(data.result.finished_at)))
    rows += [
        ("published", f"{each.model} version {each.version} to {each.store}")
        for each in data.publications
    ]
    rows.append(("this page", _time(data.written_at)))
    return _pairs(rows)


def _pairs(rows: list[tuple[str, object]]) -> Html:
    parts = (
        element("div", element("dt", name), element("dd", value), class_="fact")
        for name, value in rows
    )
    return element("dl", *parts, class_="facts")


def _value(value: object) -> Html:
    if value is None or isinstance(value, bool):
        return element("span", {None: "–", True: "on", False: "off"}[value])
    return element("span", f"{value:g}" if isinstance(value, float) else value)


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _seconds_between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
