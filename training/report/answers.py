"""What the model answers for the validation images: by class, by pair, by certainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.predictions import Predictions
from training.evaluation.scorecard import expected_calibration_error
from training.report.charts import bar_chart, percent
from training.report.confusion import (
    ClassScore,
    Pair,
    class_scores,
    confused_pairs,
    ranked,
    reliability,
    surest_mistakes,
    typical,
)
from training.report.data import ReportData
from training.report.markup import Html, element, joined, table
from training.report.pictures import picture

EXTREMES = 6
EXAMPLES = 5
PAIRS = 8
MISTAKES_A_PAIR = 5
SUREST = 12
FEW = 20  # guesses; of fewer, the part that is right says little


class Answers:
    """The sections about one set of predictions."""

    def __init__(self, data: ReportData, predictions: Predictions) -> None:
        self._data = data
        self._predictions = predictions
        self._scores = class_scores(predictions, len(data.classes))
        self._ranked = ranked(self._scores)

    def classes(self) -> Html:
        """Return accuracy by class: all as bars, the ends with images, all as a table."""
        count = min(EXTREMES, len(self._ranked) // 2)
        best, worst = self._ranked[:count], self._ranked[::-1][:count]
        return joined(
            [
                self._strip(),
                element(
                    "div",
                    self._extreme("Best", best),
                    self._extreme("Worst", worst),
                    class_="columns",
                ),
                element(
                    "details",
                    element("summary", f"All {len(self._scores):,} classes"),
                    self._table(),
                ),
            ]
        )

    def pairs(self) -> Html:
        """Return the most confused pairs with examples of both classes and of the mistakes."""
        pairs = confused_pairs(self._predictions, PAIRS)
        if not pairs:
            return element("p", "No validation image was taken for another class.")
        return element("div", *(self._pair(pair) for pair in pairs), class_="pairs")

    def mistakes(self) -> Html:
        """Return the wrong guesses that the model was surest of."""
        images = surest_mistakes(self._predictions, SUREST)
        if not images:
            return element("p", "There are none.")
        note = (
            "Wrong first guesses with the highest probability. "
            "Wrong labels and images of two things are found here first."
        )
        return joined([element("p", note), self._gallery(images, truth=True)])

    def certainty(self) -> Html:
        """Return whether guesses are right as often as their probabilities say."""
        bins = reliability(self._predictions)
        total = len(self._predictions)
        hints = [
            f"{each.images:,} guesses of {percent(each.low)} to {percent(each.high)}: "
            f"{percent(each.accuracy)} right"
            for each in bins
        ]
        edges = [(number / 5, percent(number / 5)) for number in range(6)]
        right = bar_chart(
            "Right, by probability of the first guess",
            [
                (each.accuracy, hint, "s2" if each.images >= FEW else "s1")
                for each, hint in zip(bins, hints, strict=True)
            ],
            x_label="probability of the first guess",
            y_label="right",
            diagonal=True,
            x_ticks=edges,
            described="on the dashed line is a model that knows how sure it may be; "
            + "; ".join(hint for each, hint in zip(bins, hints, strict=True) if each.images),
        )
        spread = bar_chart(
            "How sure the model is",
            [(each.images / total, hint, "s4") for each, hint in zip(bins, hints, strict=True)],
            x_label="probability of the first guess",
            y_label="part of images",
            x_ticks=edges,
            described="how many first guesses have which probability",
        )
        charts = element("div", right, spread, class_="charts")
        note = element(
            "p",
            "On the dashed line, guesses are right as often as their probability says. "
            f"Grey bars stand for fewer than {FEW} guesses.",
            class_="note",
        )
        return joined([element("p", self.calibration_in_words()), charts, note])

    @property
    def calibration(self) -> float:
        """Return the expected calibration error, as `python -m training evaluate` says it."""
        return expected_calibration_error(self._predictions.shares[:, 0], self._predictions.right)

    def calibration_in_words(self) -> str:
        """Return which way the probabilities are off."""
        sure = float(self._predictions.shares[:, 0].mean())
        right = float(self._predictions.right.mean())
        direction = "surer than it is right" if sure > right else "right more often than it is sure"
        return (
            f"The first guess has a probability of {percent(sure)} on average and is right in "
            f"{percent(right)} of cases: the model is {direction}. Expected calibration error "
            f"{percent(self.calibration)}."
        )

    def _strip(self) -> Html:
        mean = float(np.mean([each.top1 for each in self._ranked]))
        bars = [
            (each.top1, f"{self._label(each.index)}: {percent(each.top1)} of {each.images}", "s2")
            for each in self._ranked
        ]
        first, last = self._ranked[0], self._ranked[-1]
        return bar_chart(
            "Top-1 by class",
            bars,
            x_label=f"{len(bars):,} classes, best to worst",
            y_label="top-1",
            mean=(mean, f"mean {percent(mean)}"),
            width=980,
            described=f"from {percent(first.top1)} ({self._label(first.index)}) "
            f"to {percent(last.top1)} ({self._label(last.index)})",
        )

    def _extreme(self, title: str, scores: Sequence[ClassScore]) -> Html:
        rows = []
        for score in scores:
            taken = self._taken_for(score)
            head = element(
                "h4",
                element("b", self._label(score.index)),
                " ",
                element("span", f"{percent(score.top1)} · {score.right} of {score.images}"),
            )
            words = element("p", f"else mostly {taken}" if taken else "never mistaken")
            members = typical(self._predictions, score.index, EXAMPLES)
            rows.append(element("li", head, words, self._gallery(members, truth=False)))
        return element("section", element("h3", title), element("ol", *rows), class_="extreme")

    def _table(self) -> Html:
        rows = [
            (
                self._label(each.index),
                self._data.classes[each.index].wnid,
                f"{each.images:,}",
                percent(each.top1) if each.images else "–",
                self._taken_for(each) or "–",
            )
            for each in [*self._ranked, *(score for score in self._scores if not score.images)]
        ]
        head = ("class", "wnid", "images", "top-1", "mistaken most often for")
        return table(head, rows, caption="All classes, best first")

    def _taken_for(self, score: ClassScore) -> str | None:
        if score.taken_for is None:
            return None
        return f"{self._label(score.taken_for)} ({score.taken_for_count})"

    def _pair(self, pair: Pair) -> Html:
        first, second = self._label(pair.first), self._label(pair.second)
        models = [
            self._picture(image)
            for index in (pair.first, pair.second)
            for image in typical(self._predictions, index)
        ]
        heading = element("h3", first, element("span", " ⇄ "), second)
        parts = [element("header", models[0], heading, *models[1:])]
        for truth, guess, images in (
            (pair.first, pair.second, pair.first_as_second),
            (pair.second, pair.first, pair.second_as_first),
        ):
            if images:
                words = (
                    f"{len(images)} of {self._scores[truth].images} {self._label(truth)} "
                    f"taken for {self._label(guess)}"
                )
                shown = self._gallery(images[:MISTAKES_A_PAIR], truth=False)
                parts.append(element("div", element("p", words), shown))
        return element("article", *parts, class_="pair")

    def _gallery(self, images: Sequence[int], *, truth: bool) -> Html:
        """Show images with their first guess, and how probable it and the truth were."""
        shown = []
        for image in images:
            right = bool(self._predictions.right[image])
            guess = self._label(int(self._predictions.best[image, 0]))
            label = self._label(int(self._predictions.labels[image]))
            share = _rounded(float(self._predictions.shares[image, 0]))
            own = _rounded(float(self._predictions.own[image]))
            lines = [element("span", f"{'✓' if right else '✗'} {guess} {share}")]
            if not right:
                lines.append(element("span", f"is {label} {own}" if truth else f"own class {own}"))
            caption = element("figcaption", *lines)
            style = "right" if right else "wrong"
            shown.append(element("figure", self._picture(image), caption, class_=style))
        return element("div", *shown, class_="wide gallery" if truth else "gallery")

    def _picture(self, image: int) -> Html:
        if not self._data.pictures:
            return Html("")
        label = self._label(int(self._predictions.labels[image]))
        return picture(self._data.val_images[image], f"validation image {image}, {label}")

    def _label(self, index: int) -> str:
        return self._data.classes[index].label


def _rounded(share: float) -> str:
    """Return a probability without decimals."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
