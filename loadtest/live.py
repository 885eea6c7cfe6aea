"""What a terminal shows while a run goes on: one page that refreshes, or a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

import gevent

from loadtest.health import BUSY_SHARE
from loadtest.measurements import Tally
from loadtest.run import Run
from loadtest.verdict import show_ms

_PAGE_EVERY_S = 1.0
_LINE_EVERY_S = 10.0
# Short enough to show what is, long enough for a p99.
_WINDOW_S = 5
_BARS = "▁▂▃▄▅▆▇█"
_CLEAR = "\x1b[H\x1b[J"
_BOLD, _RED, _GREEN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


def page(run: Run, now_s: float, left_s: float | None, wanted: str) -> str:
    """Return the page for a terminal; `wanted` says what load is asked for at the moment."""
    recent_s = min(float(_WINDOW_S), max(now_s, 1.0))
    columns = (
        ("req/s", 9),
        ("p50", 10),
        ("p99", 10),
        ("requests", 11),
        ("errors", 8),
        ("wrong", 7),
    )
    head = f"{'scenario':14}" + "".join(f"{name:>{width}}" for name, width in columns)
    lines = [
        f"{_BOLD}Hotshelf load test{_PLAIN}  {run.asked['host']}",
        f"{_clock(now_s)} gone{_left(left_s)}   {wanted}",
        "",
        f"{_BOLD}{head}{_PLAIN}",
    ]
    lines += [
        _row(name, run.total(name), _recent(run, now_s, name), recent_s)
        for name in run.timeline.scenarios()
    ]
    total, recent = run.total(), _recent(run, now_s)
    lines += [
        _row("all", total, recent, recent_s),
        "",
        f"requests   {_spark(run.timeline.requests()[-60:])}",
        f"versions   {_versions(recent)}",
        f"generator  {_generator(run)}",
        f"memory     {f'{run.memory[-1][1]:,.0f} MB' if run.memory else 'not watched'}",
    ]
    for example in run.examples[-3:]:
        lines.append(
            f"{_RED}{_clock(example.at_s)} {example.scenario}: {example.text[:110]}{_PLAIN}"
        )
    return "\n".join(lines)


def line(run: Run, now_s: float, left_s: float | None) -> str:
    """Return one line for a log."""
    recent = _recent(run, now_s)
    total = run.total()
    rate = recent.requests / min(float(_WINDOW_S), max(now_s, 1.0))
    latencies = recent.latencies
    return (
        f"{_clock(now_s)}{_left(left_s)}  {rate:,.0f}/s  p50 {show_ms(latencies.quantile_ms(0.5))}"
        f"  p99 {show_ms(latencies.quantile_ms(0.99))}  errors {total.errors.total():,}"
        f"  wrong {total.wrong.total():,}  versions {_versions(recent)}"
    )


def show(
    conductor: Any, left_s: Callable[[], float | None], wanted: Callable[[], str], out: TextIO
) -> None:
    """Show a run until this greenlet is killed."""
    every_s = _PAGE_EVERY_S if out.isatty() else _LINE_EVERY_S
    while True:
        gevent.sleep(every_s)
        if out.isatty():
            out.write(_CLEAR + page(conductor.run, conductor.seconds, left_s(), wanted()) + "\n")
        else:
            out.write(line(conductor.run, conductor.seconds, left_s()) + "\n")
        out.flush()


def start(conductor: Any, options: Any) -> Any:
    """Begin to show a run on standard output; returns the greenlet that does."""

    def left_s() -> float | None:
        return max(0.0, options.run_time - conductor.seconds) if options.run_time else None

    def wanted() -> str:
        if not conductor.run.levels:
            return ""
        level = conductor.run.levels[-1][1]
        return f"{level:,.0f} requests/s" if conductor.is_open_loop else f"{level:,.0f} users"

    return gevent.spawn(show, conductor, left_s, wanted, sys.stdout)


def _recent(run: Run, now_s: float, scenario: str = "") -> Tally:
    return run.timeline.total(scenario, since_s=now_s - _WINDOW_S - 1, until_s=now_s - 1)


def _row(name: str, total: Tally, recent: Tally, seconds: float) -> str:
    latencies = recent.latencies
    p50, p99 = (
        show_ms(latencies.quantile_ms(share)) if latencies.count else "–" for share in (0.5, 0.99)
    )
    bad = _RED if total.errors or total.wrong else ""
    return (
        f"{name:14}{recent.requests / seconds:>9,.1f}{p50:>10}{p99:>10}{total.requests:>11,}"
        f"{bad}{total.errors.total():>8,}{total.wrong.total():>7,}{_PLAIN if bad else ''}"
    )


def _spark(values: list[int]) -> str:
    top = max(values, default=0) or 1
    return "".join(_BARS[min(len(_BARS) - 1, value * len(_BARS) // (top + 1))] for value in values)


def _versions(tally: Tally) -> str:
    total = tally.versions.total()
    shares = sorted(tally.versions.items(), key=lambda item: int(item[0]))
    return ", ".join(f"{version}: {count / total:.0%}" for version, count in shares) or "–"


def _generator(run: Run) -> str:
    said = []
    for name, health in sorted(run.health.items()):
        if health.cpu_shares:
            colour = _RED if health.cpu_shares[-1] >= BUSY_SHARE else _GREEN
            lag = show_ms(health.lag.quantile_ms(0.99))
            said.append(f"{name} {colour}{health.cpu_shares[-1]:.0%}{_PLAIN} of a core, {lag} late")
    return "; ".join(said)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _left(left_s: float | None) -> str:
    return "" if left_s is None else f", {_clock(left_s)} left"
