"""Grouped bars as an SVG file of its own: readable on light and dark pages, asking for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from loadtest.report.charts import ticks

WIDTH = 860
_LEFT, _RIGHT = 62, 20
_PLOT = 190
_PANEL = 270
_TITLE = 46
_LEGEND_ROW = 22
# Neighbours differ in lightness too; each stands out from white by 3:1 at least.
COLOURS = (
    "#c2410c", "#1e3a8a", "#0d9488", "#6d28d9", "#b7791f", "#9d174d", "#2f86d1", "#374151",
)  # fmt: skip
_INK, _MUTED, _GRID = "#1f2328", "#59636e", "#e1e5ea"
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


@dataclass(frozen=True)
class Bar:
    """A value with the lowest and the highest that it was the median of."""

    value: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Panel:
    """One plot: for each series a bar a group (None: not measured), for each group a ceiling."""

    title: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[Bar | None]]
    ceiling: Sequence[float | None] = ()

    def most(self) -> float:
        """Return the highest value that has to find a place."""
        bars = [bar.highest for row in self.series.values() for bar in row if bar]
        return max([*bars, *(each for each in self.ceiling if each)], default=1.0) or 1.0


@dataclass(frozen=True)
class _Plot:
    """Where a panel's values lie, in pixels of the file."""

    top: float
    y_most: float
    groups: int
    series: int

    @property
    def group_width(self) -> float:
        return (WIDTH - _LEFT - _RIGHT) / self.groups

    @property
    def bar_width(self) -> float:
        return self.group_width * 0.84 / self.series

    def group_x(self, group: int) -> float:
        return _LEFT + self.group_width * group

    def bar_x(self, group: int, series: int) -> float:
        return self.group_x(group) + self.group_width * 0.08 + self.bar_width * series

    def y(self, value: float) -> float:
        return self.top + _PLOT * (1 - value / self.y_most)


def bar_chart(
    title: str, panels: Sequence[Panel], *, groups: str, ceiling: str | None = None
) -> str:
    """Return the text of an SVG file: panels below one another, under one legend.

    `groups` is what the groups are, in the plural, `ceiling` the name of the dashed line.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    legend, legend_height = _legend(colours, ceiling)
    top = _TITLE + legend_height
    height = top + _PANEL * len(panels)
    drawn = [
        line
        for index, panel in enumerate(panels)
        for line in _panel(panel, colours, top + _PANEL * index, groups)
    ]
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    ground = f'x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_described(panels, groups))}</desc>',
        f'<rect {ground} fill="#ffffff" stroke="#d0d7de"/>',
        f'<g font-family="{_FONT}" font-size="12" fill="{_INK}">',
        _text(_LEFT, 28, title, size=15, bold=True),
        *legend,
        *drawn,
        "</g>",
        "</svg>",
    ]
    return "\n".join(filter(None, lines)) + "\n"


def _legend(colours: Mapping[str, str], ceiling: str | None) -> tuple[list[str], int]:
    """Return the legend's elements and its height; entries that find no room begin a new row."""
    parts: list[str] = []
    x, y = _LEFT, _TITLE
    for name in [*colours, *([ceiling] if ceiling else [])]:
        width = 44 + 7 * len(name)
        if x > _LEFT and x + width > WIDTH - _RIGHT:
            x, y = _LEFT, y + _LEGEND_ROW
        if name in colours:
            parts.append(f'<rect x="{x}" y="{y}" width="22" height="12" fill="{colours[name]}"/>')
        else:
            parts += _line(f"M{x} {y + 6}h22", dashed=True)
        parts.append(_text(x + 28, y + 10, name))
        x += width
    return parts, y + _LEGEND_ROW - _TITLE


def _panel(panel: Panel, colours: Mapping[str, str], top: float, groups: str) -> list[str]:
    most = panel.most()
    plot = _Plot(top + 34, most * 1.08, max(1, len(panel.groups)), max(1, len(panel.series)))
    parts = [_text(_LEFT, top + 22, panel.title, size=13, bold=True)]
    for tick in ticks(0.0, plot.y_most, log=False):
        y = plot.y(tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{tick:,.0f}", anchor="end", colour=_MUTED))
    for index, group in enumerate(panel.groups):
        x = plot.group_x(index) + plot.group_width / 2
        parts.append(_text(x, plot.top + _PLOT + 17, group, anchor="middle"))
    parts.append(
        _text(WIDTH / 2, plot.top + _PLOT + 33, groups, anchor="middle", colour=_MUTED, size=11)
    )
    bars = [
        (plot.bar_x(index, place), bar, name, panel.groups[index])
        for place, (name, row) in enumerate(panel.series.items())
        for index, bar in enumerate(row)
        if bar
    ]
    for x, bar, name, group in bars:
        parts += _bar(plot, x, bar, colours[name], f"{name}, {group} {groups}")
    parts += _ceiling(plot, panel.ceiling)
    return [*parts, *(_value(plot, x, bar) for x, bar, _, _ in bars)]


def _bar(plot: _Plot, x: float, bar: Bar, colour: str, hint: str) -> list[str]:
    """Return a bar with its hint, and a whisker over its spread."""
    y, middle = plot.y(bar.value), x + plot.bar_width / 2
    spread = f"{_number(bar.lowest)} to {_number(bar.highest)}"
    size = f'width="{plot.bar_width - 1:.1f}" height="{plot.top + _PLOT - y:.1f}"'
    parts = [
        f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}">',
        f"<title>{escape(hint)}: {_number(bar.value)} ({spread})</title></rect>",
    ]
    if bar.lowest < bar.highest:
        parts += _line(f"M{middle:.1f} {plot.y(bar.lowest):.1f}V{plot.y(bar.highest):.1f}")
    return parts


def _value(plot: _Plot, x: float, bar: Bar) -> str:
    """Return a bar's value above it and its whisker, where it has room."""
    label = f"{bar.value:,.0f}"
    if len(label) * 5.8 > plot.bar_width:
        return ""
    y = plot.y(max(bar.value, bar.highest)) - 4
    return _text(x + plot.bar_width / 2, y, label, anchor="middle", size=10, halo=True)


def _ceiling(plot: _Plot, values: Sequence[float | None]) -> list[str]:
    """Return the dashed line, a step a group."""
    steps = [
        f"M{plot.group_x(index):.1f} {plot.y(value):.1f}h{plot.group_width:.1f}"
        for index, value in enumerate(values)
        if value is not None
    ]
    return _line("".join(steps), dashed=True) if steps else []


def _line(path: str, *, dashed: bool = False) -> list[str]:
    """Return a dark line on a white one, which is seen on bars of any colour."""
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return [
        f'<path d="{path}" fill="none" stroke="#ffffff" stroke-width="2.5"/>',
        f'<path d="{path}" fill="none" stroke="{_INK}" stroke-width="1.5"{dashes}/>',
    ]


def _described(panels: Sequence[Panel], groups: str) -> str:
    """Return the medians in words, for those who don't see the bars."""
    return " ".join(
        f"{panel.title}, at {', '.join(panel.groups)} {groups}: "
        + "; ".join(
            f"{name} {', '.join(_number(bar.value) if bar else 'not measured' for bar in row)}"
            for name, row in panel.series.items()
        )
        + "."
        for panel in panels
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 12,
    bold: bool = False,
    colour: str = _INK,
    halo: bool = False,
) -> str:
    style = ' font-weight="600"' if bold else ""
    style += ' paint-order="stroke" stroke="#ffffff" stroke-width="3"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{style}'
        f' fill="{colour}">{escape(text)}</text>'
    )
