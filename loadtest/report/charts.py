"""Charts over time as SVG text, in colours that the page's style gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Format: TypeAlias = Callable[[float], str]

_WIDTH, _HEIGHT = 520, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 22, 10, 26
_MOST_POINTS = 400


@dataclass(frozen=True)
class Series:
    """One line: `style` is the class that colours it."""

    name: str
    points: Sequence[Point]
    style: str


@dataclass(frozen=True)
class Frame:
    """Where values lie in a chart; `log` spaces equal ratios of y equally."""

    x_most: float
    y_least: float
    y_most: float
    log: bool = False

    def x(self, value: float) -> float:
        """Return the place of an x."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / (self.x_most or 1)

    def y(self, value: float) -> float:
        """Return the place of a y."""
        least, most, at = self.y_least, self.y_most, min(max(value, self.y_least), self.y_most)
        if self.log:
            least, most, at = math.log(least), math.log(most), math.log(at)
        share = (at - least) / (most - least) if most > least else 0.0
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    y_format: Format,
    x_format: Format,
    marks: Sequence[float] = (),
    log: bool = False,
    bound: tuple[float, str] | None = None,
) -> str:
    """Return a figure of lines; `marks` are xs of failures, `bound` a y not to be crossed."""
    drawn = [each for each in series if each.points]
    if not drawn:
        return ""
    frame = _frame(drawn, log=log, bound=bound)
    parts = [*_y_axis(frame, y_format), *_x_axis(frame, x_format)]
    parts += [
        f'<line class="mark" x1="{frame.x(x):.1f}" x2="{frame.x(x):.1f}"'
        f' y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        for x in marks
    ]
    if bound is not None:
        y = frame.y(bound[0])
        parts.append(f'<line class="bound" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_WIDTH - _RIGHT, y - 5, bound[1], "end"))
    parts += [_polyline(each, frame) for each in drawn]
    return _figure(title, drawn, parts)


def stacked_chart(title: str, series: Sequence[Series], *, x_format: Format) -> str:
    """Return a figure of shares (0 to 1) that add up, drawn over one another."""
    drawn = [each for each in series if each.points]
    if not drawn:
        return ""
    frame = Frame(max(x for each in drawn for x, _ in each.points), 0.0, 1.0)
    parts = []
    floor = [0.0] * len(drawn[0].points)
    for each in drawn:
        top = [low + share for low, (_, share) in zip(floor, each.points, strict=True)]
        xs = [x for x, _ in each.points]
        edge = [(x, y) for x, y in zip(xs, top, strict=True)]
        edge += [(x, y) for x, y in zip(reversed(xs), reversed(floor), strict=True)]
        parts.append(f'<polygon class="{each.style}" points="{_places(edge, frame)}"/>')
        floor = top
    axes = [*_y_axis(frame, lambda share: f"{share:.0%}"), *_x_axis(frame, x_format)]
    return _figure(title, drawn, [*axes, *parts])


def _frame(series: Sequence[Series], *, log: bool, bound: tuple[float, str] | None) -> Frame:
    ys = [y for each in series for _, y in each.points]
    most = max([*ys, *([bound[0]] if bound else [])]) or 1.0
    least = max(min(y for y in ys if y > 0), 0.01) if log and any(ys) else 0.0
    if log and any(ys):
        return Frame(_x_most(series), 10 ** math.floor(math.log10(least)), most * 1.3, log=True)
    return Frame(_x_most(series), 0.0, most * 1.08)


def _x_most(series: Sequence[Series]) -> float:
    return max(x for each in series for x, _ in each.points)


def ticks(least: float, most: float, *, log: bool) -> list[float]:
    """Return round values for an axis."""
    if log:
        decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
        return [10.0**each for each in decades if least <= 10.0**each <= most]
    rough = (most - least) / 4
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough)
    return [least + step * n for n in range(int((most - least) / step) + 1)]


def _y_axis(frame: Frame, shown: Format) -> list[str]:
    parts = []
    for value in ticks(frame.y_least, frame.y_most, log=frame.log):
        y = frame.y(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, shown(value), "end"))
    return parts


def _x_axis(frame: Frame, shown: Format) -> list[str]:
    return [
        _text(frame.x(value), _HEIGHT - 6, shown(value), "middle")
        for value in ticks(0.0, frame.x_most, log=False)
    ]


def _polyline(series: Series, frame: Frame) -> str:
    step = max(1, math.ceil(len(series.points) / _MOST_POINTS))
    places = _places(series.points[::step], frame)
    return f'<polyline class="{series.style}" points="{places}"/>'


def _places(points: Sequence[Point], frame: Frame) -> str:
    return " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _figure(title: str, series: Sequence[Series], parts: Sequence[str]) -> str:
    legend = "".join(
        f'<span><i class="key {each.style}"></i>{escape(each.name)}</span>' for each in series
    )
    return (
        f'<figure class="chart"><figcaption><h3>{escape(title)}</h3>'
        f'<p class="legend">{legend}</p></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg></figure>"
    )
