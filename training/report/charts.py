"""Charts as inline SVG: colours come from the page's style, so they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from training.report.markup import Html, element

WIDTH, HEIGHT = 480, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 40
_MOST_POINTS = 300
_MOST_HINTS = 120

Point = tuple[float, float]
Format = Callable[[float], str]


class Series(msgspec.Struct, frozen=True):
    """One line: its name, its style's class in the page, its points by x; markers for few."""

    name: str
    style: str
    points: Sequence[Point]
    markers: bool = False


class Frame(msgspec.Struct, frozen=True):
    """The plane of a chart: which values its edges stand for."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    width: int = WIDTH
    height: int = HEIGHT

    def x(self, value: float) -> float:
        """Return where a value lies from the left."""
        part = (value - self.x_low) / (self.x_high - self.x_low or 1.0)
        return round(_LEFT + part * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Return where a value lies from the top."""
        part = (value - self.y_low) / (self.y_high - self.y_low or 1.0)
        return round(self.height - _BOTTOM - part * (self.height - _TOP - _BOTTOM), 1)


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    shown: Format,
    from_zero: bool = True,
    y_limit: float | None = None,
) -> Html:
    """Return a figure with its legend; series without points are left out."""
    drawn = [each for each in series if each.points]
    points = [point for each in drawn for point in each.points]
    ys = [y for _, y in points]
    y_ticks = ticks(0.0 if from_zero else min(ys), max(ys), at_most=y_limit)
    x_ticks = ticks(0.0, max(x for x, _ in points), whole=True)
    frame = Frame(0.0, max(x for x, _ in points), y_ticks[0], y_ticks[-1])
    lines = [_line(each, frame, shown, x_label) for each in drawn]
    body = [
        *_axes(frame, y_label=y_label, x_label=x_label, y_ticks=y_ticks, shown=shown),
        *_x_axis(frame, [each for each in x_ticks if each <= frame.x_high]),
        *lines,
    ]
    described = "; ".join(_described(each, x_label, shown) for each in drawn)
    return figure(title, body, described=described, legend=drawn if len(drawn) > 1 else ())


def figure(
    title: str,
    body: Sequence[Html],
    *,
    described: str,
    legend: Sequence[Series] = (),
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Html:
    """Return a captioned SVG that says to a screen reader what is seen in it."""
    svg = element(
        "svg",
        *body,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=f"{title}: {described}",
    )
    keys = [element("span", element("i", class_=f"key {each.style}"), each.name) for each in legend]
    named = [element("p", *keys, class_="legend")] if keys else []
    caption = element("figcaption", element("h3", title), *named)
    style = "chart" if width == WIDTH else "wide chart"
    return element("figure", caption, element("div", svg, class_="canvas"), class_=style)


def bar_chart(
    title: str,
    bars: Sequence[tuple[float, str, str]],
    *,
    x_label: str,
    y_label: str,
    mean: tuple[float, str] | None = None,
    diagonal: bool = False,
    x_ticks: Sequence[tuple[float, str]] = (),
    width: int = WIDTH,
    described: str,
) -> Html:
    """Return a figure of bars that share the width: (height from 0 to 1, hint, style) each.

    `x_ticks` lie at parts of the width, from 0 to 1.
    """
    highest = max((height for height, _, _ in bars), default=0.0)
    y_ticks = ticks(0.0, 1.0 if diagonal else max(highest, 0.01), at_most=1.0)
    frame = Frame(0.0, float(len(bars)), 0.0, y_ticks[-1], width=width)
    body = _axes(frame, y_label=y_label, x_label=x_label, y_ticks=y_ticks, shown=percent)
    gap = 0.12 if len(bars) <= 60 else 0.0
    for number, (height, hint, style) in enumerate(bars):
        left, right = frame.x(number + gap / 2), frame.x(number + 1 - gap / 2)
        body.append(_bar(left, right, frame, height=height, hint=hint, style=style))
    for part, label in x_ticks:
        x = frame.x(part * len(bars))
        body.append(_text(label, x, frame.height - _BOTTOM + 16, "middle"))
    if diagonal:
        ends = (frame.x(0), frame.y(0.0), frame.x(len(bars)), frame.y(1.0))
        body.append(_stroke(*ends, style="ideal"))
    if mean is not None:
        y = frame.y(mean[0])
        body.append(_stroke(frame.x(0), y, frame.x(len(bars)), y, style="ideal"))
        body.append(_text(mean[1], width - _RIGHT, y - 6, "end", "note"))
    return figure(title, body, described=described, width=width)


def ticks(
    low: float, high: float, *, whole: bool = False, at_most: float | None = None, count: int = 5
) -> list[float]:
    """Return round values in equal steps, the first at most `low`, the last at least `high`."""
    span = high - low or abs(high) or 1.0
    exponent = math.floor(math.log10(span / count))
    steps = (1, 2, 2.5, 5, 10)
    step = next(
        10**exponent * each for each in steps if 10**exponent * each * count >= span * 0.999
    )
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    values = [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]
    return values if at_most is None else [each for each in values if each <= at_most + 1e-9]


def thinned(points: Sequence[Point], limit: int = _MOST_POINTS) -> list[Point]:
    """Return at most `limit` points, each the mean of as many neighbours."""
    size = -(-len(points) // limit)
    groups = [points[start : start + size] for start in range(0, len(points), max(1, size))]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def percent(value: float) -> str:
    """Return a part as people read it: 8%, 0.5%."""
    return f"{100 * value:.3g}%"


def _described(series: Series, x_label: str, shown: Format) -> str:
    (first_x, first), (last_x, last) = series.points[0], series.points[-1]
    return (
        f"{series.name} {shown(first)} at {x_label} {first_x:,.0f}, "
        f"{shown(last)} at {x_label} {last_x:,.0f}"
    )


def _line(series: Series, frame: Frame, shown: Format, x_label: str) -> Html:
    points = thinned(series.points)
    path = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y in points)
    parts = [element("polyline", points=path)] if len(points) > 1 else []
    if len(points) <= _MOST_HINTS:
        visible = series.markers or len(points) == 1
        for x, y in points:
            hint = element("title", f"{series.name}, {x_label} {x:,.0f}: {shown(y)}")
            at = {"cx": frame.x(x), "cy": frame.y(y)}
            if visible:
                parts.append(element("circle", **at, r=3))
            parts.append(element("circle", hint, **at, r=8, class_="hit"))
    return element("g", *parts, class_=f"line {series.style}")


def _axes(
    frame: Frame, *, y_label: str, x_label: str, y_ticks: Sequence[float], shown: Format
) -> list[Html]:
    parts = []
    for value in y_ticks:
        y = frame.y(value)
        right = frame.width - _RIGHT
        parts.append(_stroke(_LEFT, y, right, y, style="axis" if value == y_ticks[0] else "grid"))
        parts.append(_text(shown(value), _LEFT - 7, y + 4, "end"))
    parts.append(_text(y_label, 2, 13, "start", "label"))
    parts.append(_text(x_label, frame.width - _RIGHT, frame.height - 6, "end", "label"))
    return parts


def _x_axis(frame: Frame, values: Sequence[float]) -> list[Html]:
    y = frame.height - _BOTTOM
    return [_text(f"{value:,.0f}", frame.x(value), y + 16, "middle") for value in values]


def _bar(left: float, right: float, frame: Frame, *, height: float, hint: str, style: str) -> Html:
    top, bottom = frame.y(height), frame.y(0.0)
    # The whole column answers the pointer: bars may have no height.
    area = element(
        "rect", x=left, y=_TOP, width=round(right - left, 1), height=bottom - _TOP, class_="hit"
    )
    bar = element(
        "rect", x=left, y=top, width=round(right - left, 1), height=round(bottom - top, 1)
    )
    return element("g", element("title", hint), bar, area, class_=f"bar {style}")


def _stroke(x1: float, y1: float, x2: float, y2: float, *, style: str) -> Html:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=style)


def _text(text: str, x: float, y: float, anchor: str, style: str | None = None) -> Html:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=style)
