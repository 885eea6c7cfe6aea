"""How training went: loss, accuracy, learning rate and speed by step."""

from __future__ import annotations

from training.report.charts import Series, line_chart, percent
from training.report.data import ReportData
from training.report.markup import Html, element, joined

_STEP = "step"


def curves(data: ReportData) -> Html:
    """Return the charts that the log has numbers for."""
    charts = [_loss(data), _accuracy(data)] if data.trained or data.evaluated else []
    if data.trained:
        charts += [_learning_rate(data), _speed(data)]
    if not charts:
        return element("p", "Nothing is logged yet: the first line comes after 20 steps.")
    note = (
        "Training numbers are means over 20 steps, of augmented images and moving weights; "
        f"{evaluated_on(data)} is of whole epochs, unaltered images"
        + (" and the averaged weights" if data.settings.recipe.ema else "")
        + ". The two needn't meet."
    )
    return joined([element("div", *charts, class_="charts"), element("p", note, class_="note")])


def evaluated_on(data: ReportData) -> str:
    """Return what the images are called that each epoch ends with an evaluation on."""
    return "held-out" if data.settings.recipe.holdout else "validation"


def _loss(data: ReportData) -> Html:
    return line_chart(
        "Loss",
        [
            Series("training", "s1", [(line.step, line.loss) for line in data.trained]),
            Series(
                evaluated_on(data),
                "s2",
                [(line.step, line.loss) for line in data.evaluated],
                markers=True,
            ),
        ],
        x_label=_STEP,
        y_label="cross-entropy, nats",
        shown=lambda value: f"{value:.4g}",
        from_zero=False,
    )


def _accuracy(data: ReportData) -> Html:
    evaluated, on = data.evaluated, evaluated_on(data)
    return line_chart(
        "Accuracy",
        [
            Series("training top-1", "s1", [(line.step, line.top1) for line in data.trained]),
            Series(f"{on} top-1", "s2", [(e.step, e.top1) for e in evaluated], markers=True),
            Series(f"{on} top-5", "s3", [(e.step, e.top5) for e in evaluated], markers=True),
        ],
        x_label=_STEP,
        y_label="right, of images",
        shown=percent,
        y_limit=1.0,
    )


def _learning_rate(data: ReportData) -> Html:
    points = [(line.step, line.learning_rate) for line in data.trained]
    return line_chart(
        "Learning rate",
        [Series("learning rate", "s4", points)],
        x_label=_STEP,
        y_label="per step",
        shown=lambda value: f"{value:.3g}",
    )


def _speed(data: ReportData) -> Html:
    points = [(line.step, line.images_per_s) for line in data.trained]
    return line_chart(
        "Speed",
        [Series("images/s", "s4", points)],
        x_label=_STEP,
        y_label="images/s",
        shown=lambda value: f"{value:,.4g}",
    )
