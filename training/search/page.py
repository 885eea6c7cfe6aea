"""A search as a page: a table of its trials, the best first, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from training.progress import duration
from training.report.charts import Series, line_chart, percent
from training.report.markup import Html, element, joined, table
from training.search.outcome import Outcome

# As many as there are styles of lines; more couldn't be told apart.
_STYLES = ("s1", "s2", "s3", "s4")


def ranked(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return them by top-1 at their end, the best first, those without any last."""
    return sorted(outcomes, key=lambda each: -each.last.top1 if each.last else 1.0)


def render(title: str, outcomes: Sequence[Outcome], machine: str) -> str:
    """Return the whole page; no script, no address outside of it."""
    best_first = ranked(outcomes)
    body = element(
        "body",
        element(
            "header",
            element("p", "Recipe search", class_="kicker"),
            element("h1", title),
            element("p", _verdict(best_first), class_="verdict"),
            class_="top",
        ),
        element(
            "main",
            element("section", element("h2", "Trials"), _table(best_first), id="trials"),
            element("section", element("h2", "Curves"), _charts(best_first), id="curves"),
        ),
        element("footer", machine),
    )
    style = resources.files("training.report").joinpath("style.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title}: recipe search"),
        element("style", Html(style)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def lines_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line of text for each trial, the best first."""
    return [" | ".join(str(cell) for cell in _row(each)) for each in ranked(outcomes)]


def _verdict(best_first: Sequence[Outcome]) -> str:
    last = best_first[0].last
    if last is None:
        return "No trial got as far as an evaluation."
    return (
        f"{best_first[0].trial.name} is right for {percent(last.top1)} of the images held out of "
        f"training, after {duration(last.training_s)} of it. No validation image was looked at."
    )


def _table(outcomes: Sequence[Outcome]) -> Html:
    head = ("trial", "of its own", "top-1", "top-5", "loss, nats", "steps", "training")
    return table(head, [_row(each) for each in outcomes], caption="Trials, the best first")


def _row(outcome: Outcome) -> list[object]:
    own = ", ".join(f"{name} {_shown(value)}" for name, value in outcome.trial.own.items())
    last = outcome.last
    if last is None:
        return [outcome.trial.name, own or "–", outcome.failure or "–", "–", "–", "–", "–"]
    return [
        outcome.trial.name + (f" ({outcome.failure})" if outcome.failure else ""),
        own or "–",
        f"{last.top1:.2%}",
        f"{last.top5:.2%}",
        f"{last.loss:.4f}",
        f"{last.step:,}",
        duration(last.training_s),
    ]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _charts(outcomes: Sequence[Outcome]) -> Html:
    """Draw top-1 by time and by step, four trials a chart, the best in the first one."""
    drawn = [each for each in outcomes if each.evaluated]
    charts = []
    for start in range(0, len(drawn), len(_STYLES)):
        group = list(zip(drawn[start : start + len(_STYLES)], _STYLES, strict=False))
        for unit, place in (("minutes of training", 60.0), ("step", None)):
            series = [
                Series(
                    each.trial.name,
                    style,
                    [
                        (point.training_s / place if place else point.step, point.top1)
                        for point in each.evaluated
                    ],
                    markers=True,
                )
                for each, style in group
            ]
            charts.append(
                line_chart(
                    f"Held-out top-1 by {unit}",
                    series,
                    x_label=unit,
                    y_label="right, of images",
                    shown=percent,
                    y_limit=1.0,
                )
            )
    return joined([element("div", *charts, class_="charts")])
