"""Puts the page of a run together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from loadtest.memory import growth_mb_per_min
from loadtest.objectives import parse_objectives, with_defaults
from loadtest.report.charts import Point, Series, line_chart, stacked_chart
from loadtest.run import Run, summary
from loadtest.verdict import Judgement, Outcome, Verdict, show_kinds, show_ms

_STYLES = ("s1", "s2", "s3", "s4", "s5", "s6")
_TITLES = {
    Outcome.PASS: "Pass",
    Outcome.FAIL: "Fail",
    Outcome.INCONCLUSIVE: "Inconclusive",
}
_MOST_EXAMPLES = 30


def write_report(run: Run, verdict: Verdict, path: Path) -> None:
    """Write the page of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(run, verdict))


def render(run: Run, verdict: Verdict) -> str:
    """Return the page as HTML."""
    style = (Path(__file__).parent / "style.css").read_text()
    title = _TITLES[verdict.outcome]
    body = "".join([_head(run, verdict), "<main>", *_sections(run, verdict), "</main>", _foot(run)])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} – load test of {escape(str(run.asked['host']))}</title>"
        f"<style>{style}</style></head><body>{body}</body></html>\n"
    )


def _head(run: Run, verdict: Verdict) -> str:
    total = run.total()
    figures = summary(total, run.duration_s)
    tiles = {
        "requests": f"{total.requests:,}",
        "a second": f"{figures['rate']:,.1f}",
        "p50": show_ms(figures["p50_ms"]),
        "p99": show_ms(figures["p99_ms"]),
        "errors": f"{total.errors.total():,}",
        "wrong answers": f"{total.wrong.total():,}",
    }
    if run.knee:
        tiles = {"knee": f"{run.knee_rate:,.0f}/s", **tiles}
    shown = "".join(
        f'<div class="tile"><dt>{name}</dt><dd>{value}</dd></div>' for name, value in tiles.items()
    )
    title, line = _TITLES[verdict.outcome], verdict.line.partition("  ")[2]
    warning = ""
    if verdict.bottleneck:
        warning = (
            '<p class="warning">The load generator was the bottleneck: '
            f"{escape(verdict.bottleneck)}.</p>"
        )
    return (
        f'<header><p class="kicker">Load test of {escape(str(run.asked["host"]))}</p>'
        f'<h1 class="{title.lower()}">{title}</h1><p class="line">{escape(line)}</p>{warning}'
        f'<dl class="tiles">{shown}</dl></header>'
    )


def _sections(run: Run, verdict: Verdict) -> Iterator[str]:
    yield _section("Over time", f'<div class="charts">{"".join(_charts(run))}</div>')
    if run.knee:
        rows = [(f"{s.rate:,.1f}/s", _mark(not s.broke), _wide(s.broke)) for s in run.knee]
        yield _section("The search for the knee", _table(("rate", "held", "what broke"), rows))
    yield _section("Objectives", _judgements(verdict))
    yield _section("Scenarios", _scenarios(run))
    if run.examples:
        rows = [
            (f"{each.at_s:,.1f} s", escape(each.scenario), _wide(each.text))
            for each in sorted(run.examples, key=lambda each: each.at_s)[:_MOST_EXAMPLES]
        ]
        yield _section("What went wrong, first", _table(("at", "scenario", "what"), rows))
    yield _section("The load generator", _generator(run))


def _charts(run: Run) -> Iterator[str]:
    width_s = run.timeline.width_s
    # The last window isn't whole.
    whole = [each for each in run.timeline.by_window() if each[0] + width_s <= run.duration_s]
    windows = whole or list(run.timeline.by_window())
    bad = [at_s for at_s, tally in windows if tally.errors or tally.wrong]

    def chart(title: str, series: Sequence[Series], **options: object) -> str:
        return line_chart(title, series, x_format=_clock, marks=bad, **options)  # type: ignore[arg-type]

    rate = [(at_s, tally.requests / width_s) for at_s, tally in windows]
    # What was asked for is a rate in an open loop only.
    asked = run.levels if run.asked["rate"] or run.knee else []
    level = Series("asked for", _steps(asked, run.duration_s), "s3")
    yield chart("Requests a second", [level, Series("ended", rate, "s1")], y_format=_number)
    quantiles = [(0.5, "p50", "s1"), (0.95, "p95", "s3"), (0.99, "p99", "s2")]
    lines = [
        Series(name, [(t, w.latencies.quantile_ms(q)) for t, w in windows if w.latencies.count], s)
        for q, name, s in quantiles
    ]
    yield chart("Latency", lines, y_format=show_ms, log=True, bound=_p99_bound(run))
    yield _version_chart(run)
    yield _distribution(run)
    if run.memory:
        growth = growth_mb_per_min(run.memory)
        title = "Memory of the service"
        title += f", {growth:+.1f} MB/min" if growth is not None else ""
        yield chart(title, [Series("MB", run.memory, "s1")], y_format=_number)
    lines = [
        Series(name, list(enumerate(each.cpu_shares)), _STYLES[n % len(_STYLES)])
        for n, (name, each) in enumerate(sorted(run.health.items()))
    ]
    yield chart("Load generator: share of its core", lines, y_format=lambda s: f"{s:.0%}")


def _version_chart(run: Run) -> str:
    windows = [(at_s, tally) for at_s, tally in run.timeline.by_window() if tally.versions]
    names = sorted({name for _, tally in windows for name in tally.versions}, key=int)
    series = [
        Series(
            f"version {name}",
            [(at_s, tally.versions[name] / tally.versions.total()) for at_s, tally in windows],
            _STYLES[number % len(_STYLES)],
        )
        for number, name in enumerate(names)
    ]
    return stacked_chart("Versions that answered", series, x_format=_clock)


def _distribution(run: Run) -> str:
    """Latency by quantile, with the rare ones given room: 90%, 99%, 99.9% are equally far apart."""
    shares = [1 - 10 ** (-step / 20) for step in range(81)]
    latencies = run.total().latencies
    if not latencies.count:
        return ""
    most = 1 - 1 / latencies.count
    points = [
        (step / 20, latencies.quantile_ms(share))
        for step, share in enumerate(shares)
        if share <= most
    ]
    return line_chart(
        "Latency by share of requests",
        [Series("all scenarios", points, "s1")],
        y_format=show_ms,
        x_format=lambda nines: f"{100 * (1 - 10**-nines):.5g}%",
        log=True,
    )


def _p99_bound(run: Run) -> tuple[float, str] | None:
    for each in with_defaults(parse_objectives(run.asked["slo"])):
        if each.metric == "p99" and not each.scenario and each.bound is not None:
            return each.bound, str(each)
    return None


def _steps(levels: Sequence[Point], end_s: float) -> list[Point]:
    points: list[Point] = []
    for at_s, level in levels:
        if points:
            points.append((at_s, points[-1][1]))
        points.append((at_s, level))
    return [*points, (end_s, points[-1][1])] if points else []


def _judgements(verdict: Verdict) -> str:
    """Scenarios down, objectives across: what was measured, in red where it didn't hold."""
    columns = list(dict.fromkeys(str(each.objective) for each in verdict.judgements))
    by_place = {(each.scenario, str(each.objective)): each for each in verdict.judgements}
    rows = []
    for scenario in dict.fromkeys(each.scenario for each in verdict.judgements):
        found = [by_place.get((scenario, column)) for column in columns]
        cells = [_judgement(each) if each else "" for each in found]
        rows.append((escape(scenario or "all"), *cells))
    return _table(("scenario", *columns), rows)


def _judgement(judgement: Judgement) -> str:
    if judgement.holds:
        return escape(judgement.value)
    kinds = f"<br><small>{escape(show_kinds(judgement.kinds))}</small>" if judgement.kinds else ""
    return f'<span class="bad">{escape(judgement.value)}</span>{kinds}'


def _scenarios(run: Run) -> str:
    columns = ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms", "stall_ms")
    heads = ("scenario", "requests", "a second", "p50", "p90", "p99", "p99.9", "max", "stall")
    rows = []
    for name in (*run.timeline.scenarios(), ""):
        tally = run.total(name)
        figures = summary(tally, run.duration_s)
        times = [show_ms(figures[each]) if tally.latencies.count else "–" for each in columns]
        counts = (_count(tally.errors.total()), _count(tally.wrong.total()))
        cells = (f"{tally.requests:,}", f"{figures['rate']:,.1f}", *times, *counts)
        rows.append((escape(name or "all"), *cells))
    return _table((*heads, "errors", "wrong"), rows, sums=True)


def _generator(run: Run) -> str:
    rows = [
        (
            escape(name),
            f"{each.mean_cpu:.0%}",
            f"{max(each.cpu_shares, default=0):.0%}",
            show_ms(each.lag.quantile_ms(0.5)),
            show_ms(each.lag.quantile_ms(0.99)),
        )
        for name, each in sorted(run.health.items())
    ]
    late = run.total().late
    note = f'<p class="quiet">{late:,} requests waited for a free user when they were due.</p>'
    heads = ("process", "mean of its core", "busiest second", "late (p50)", "late (p99)")
    return _table(heads, rows) + (note if late else "")


def _foot(run: Run) -> str:
    asked = ", ".join(
        f"{name} {value}" for name, value in run.asked.items() if value not in (None, "", 0, 0.0)
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in run.notes)
    return (
        f"<footer>{notes}<p>Begun {escape(run.begun_at)}. Asked for: {escape(asked)}.</p></footer>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, sums: bool = False) -> str:
    """Return a table of HTML cells; with `sums`, the last row is the sum of the others."""
    rows = list(rows)
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(each if each.startswith("<td") else f"<td>{each}</td>" for each in row)
        is_sum = sums and number == len(rows) - 1
        lines.append(f'<tr class="sum">{cells}</tr>' if is_sum else f"<tr>{cells}</tr>")
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _wide(text: str) -> str:
    return f'<td class="text">{escape(text)}</td>'


def _mark(holds: bool) -> str:
    return '<span class="good">yes</span>' if holds else '<span class="bad">no</span>'


def _count(value: int) -> str:
    return f'<span class="bad">{value:,}</span>' if value else "0"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
