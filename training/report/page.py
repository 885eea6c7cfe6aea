"""The page: what a run came to, on one self-contained sheet of HTML.

Pure: a `ReportData` goes in, text comes out. No script, no address outside the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from training.progress import duration
from training.report import facts
from training.report.answers import Answers
from training.report.charts import percent
from training.report.curves import curves, evaluated_on
from training.report.data import ReportData
from training.report.markup import Html, element, joined
from training.signature import ONNX, SAVED_MODEL

_Section = tuple[str, str, Html]


def render(data: ReportData) -> str:
    """Return the whole page."""
    answers = Answers(data, data.predictions) if data.predictions is not None else None
    sections = _sections(data, answers)
    body = element(
        "body",
        element("a", "Skip to the numbers", href="#numbers", class_="skip"),
        element("header", _head(data), _contents(sections), class_="top"),
        element(
            "main",
            _headline(data, answers),
            *(_section(*section) for section in sections),
        ),
        element("footer", f"Hotshelf {data.settings.code_version}"),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{data.name}: training report"),
        element("style", Html(_style())),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _style() -> str:
    return resources.files(__package__).joinpath("style.css").read_text("utf-8")


def _sections(data: ReportData, answers: Answers | None) -> list[_Section]:
    found: list[_Section] = [("training", "Training", curves(data))]
    if answers is not None:
        found += [
            ("classes", "Classes", answers.classes()),
            ("confused", "Most confused pairs", answers.pairs()),
            ("mistakes", "Surest mistakes", answers.mistakes()),
            ("certainty", "Certainty", answers.certainty()),
        ]
    return [
        *found,
        ("cost", "Cost", facts.cost(data)),
        ("variants", "Variants", facts.variants(data)),
        ("recipe", "Recipe", facts.recipe(data)),
        ("lineage", "Lineage", facts.lineage(data)),
    ]


def _section(anchor: str, title: str, content: Html) -> Html:
    heading = element("h2", title, id=f"{anchor}-title")
    return element("section", heading, content, id=anchor, aria_labelledby=f"{anchor}-title")


def _contents(sections: Sequence[_Section]) -> Html:
    links = (element("a", title, href=f"#{anchor}") for anchor, title, _ in sections)
    return element("nav", *links, aria_label="Contents")


def _head(data: ReportData) -> Html:
    classes = len(data.classes)
    what = f"ResNet-50, {classes:,} classes, {data.settings.recipe.stem} stem"
    return joined(
        [
            element("p", "Training report", class_="kicker"),
            element("h1", data.name),
            element("p", f"{what}. {_verdict(data)}", class_="verdict"),
        ]
    )


def _verdict(data: ReportData) -> str:
    work = f"{data.step:,} steps and {data.images_seen:,} images"
    if data.result is None:
        return f"Not finished: this is how it stands after {work}."
    scores = data.result.variants[SAVED_MODEL]
    return (
        f"After {work}, its first guess is right for {scores.top1:.1%} of {scores.images:,} "
        f"validation images; chance would be {percent(1 / len(data.classes))}."
    )


def _headline(data: ReportData, answers: Answers | None) -> Html:
    tiles: list[tuple[str, str, str]] = []
    if data.result is not None:
        scores = data.result.variants.get(ONNX) or data.result.variants[SAVED_MODEL]
        tiles += [
            ("top-1", f"{scores.top1:.1%}", "first guess right"),
            ("top-5", f"{scores.top5:.1%}", "right within five guesses"),
            ("loss", f"{scores.loss:.3f}", "cross-entropy, nats"),
        ]
    elif data.evaluated:
        last = data.evaluated[-1]
        tiles += [
            ("top-1", f"{last.top1:.1%}", f"{evaluated_on(data)}, epoch {last.epoch}"),
            ("top-5", f"{last.top5:.1%}", f"{evaluated_on(data)}, epoch {last.epoch}"),
            ("loss", f"{last.loss:.3f}", "cross-entropy, nats"),
        ]
    if answers is not None:
        tiles.append(("calibration", f"{answers.calibration:.1%}", "mean error of probabilities"))
    if data.training_s is not None and data.images_per_s is not None:
        tiles.append(("training time", duration(data.training_s), "in steps, without evaluations"))
        tiles.append(("speed", f"{data.images_per_s:,.0f}", "images a second"))
    shown = (
        element(
            "div",
            element("dt", name),
            element("dd", element("b", number), element("span", meaning)),
            class_="tile",
        )
        for name, number, meaning in tiles
    )
    return element("dl", *shown, id="numbers", class_="tiles")
