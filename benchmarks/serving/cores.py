"""How requests/s grow with the cores: measured on one and two, computed for more.

    python -m benchmarks.serving.cores --model NAME=FILE.onnx … [--rounds 3] [--seconds 5] [--save]

Service and load generator (wrk, 32 connections for each core) share the cores. What each part takes
of a processor for a request is counted; `predicted` makes requests/s of it. What was counted on one
core says what two should do, which is compared with what two did; what was counted on two says what
4, 8 and 16 should.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results_file import write_results
from benchmarks.serving.__main__ import machine, own_s
from benchmarks.serving.load import Bodies, post
from benchmarks.serving.processes import cpu, family
from benchmarks.serving.requests import image_bodies
from benchmarks.serving.servers import HOTSHELF, server

MEASURED = (1, 2)
COMPUTED = (4, 8, 16)
CONNECTIONS_A_CORE = 32
WARM_UP_S = 3.0
ENGINE = b"service.engine"

# ms of a processor for a request, by part: the model's runs, the engine's event loop, the HTTP
# workers, the load generator; and the part of the cores that was used.
Costs = dict[str, float]
PARTS = ("model", "engine", "workers", "client")
HEAD = (
    *("cores", "requests/s measured", "computed", "ms of a processor: model", "engine", "workers"),
    *("load generator", "of the cores used"),
)


def predicted(costs: Costs, cores: int) -> float:
    """Return requests/s on so many cores.

    Every part but one is shared out over all cores, so their number counts until the engine's event
    loop, which is one thread, has a core to itself. That a request costs the same however many
    cores there are is assumed: memory that they share may make it more.
    """
    by_cores = costs["used"] * cores / sum(costs[part] for part in PARTS)
    return 1000 * min(by_cores, costs["used"] / costs["engine"])


def main() -> int:
    """Measure, print, keep it if asked to."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="hotshelf-cores-") as folder:
        jpegs = image_bodies(Path(folder) / "jpegs", None)
        results = {
            name: measure(Path(file), Path(folder), jpegs, options) for name, file in options.model
        }
    for name, by_cores in results.items():
        for line in [name, *table(by_cores)]:
            print(line)
    if options.save:
        names = " ".join(f"--model {name}={Path(file).name}" for name, file in options.model)
        command = f"serving.cores {names} --rounds {options.rounds} --seconds {options.seconds:g}"
        print(write_results("serving_cores", command=command, machine=machine(), results=results))
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.cores",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pair = lambda text: tuple(text.split("=", 1))  # noqa: E731
    parser.add_argument("--model", type=pair, action="append", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def measure(
    model: Path, work: Path, jpegs: Bodies, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Return by number of cores the medians of `rate` and of what each part takes."""
    rounds: dict[int, list[dict[str, float]]] = {cores: [] for cores in MEASURED}
    for each in range(options.rounds):
        for cores in MEASURED if each % 2 == 0 else reversed(MEASURED):
            with only(cores), server(HOTSHELF, model, work, jpegs) as running:
                count = CONNECTIONS_A_CORE * cores
                post(running.url, jpegs, connections=count, seconds=WARM_UP_S)
                rounds[cores].append(one_round(running.pid, running.url, jpegs, cores, options))
    return {
        str(cores): {
            key: round(statistics.median(each[key] for each in values), 4) for key in values[0]
        }
        for cores, values in rounds.items()
    }


def one_round(
    pid: int, url: str, jpegs: Bodies, cores: int, options: argparse.Namespace
) -> dict[str, float]:
    """Return requests/s, and what each part took."""
    pids = family(pid)
    engine = [each for each in pids if ENGINE in Path(f"/proc/{each}/cmdline").read_bytes()]
    all_before, engine_before, client_before = cpu(pids), cpu(engine), own_s()
    seen = post(url, jpegs, connections=CONNECTIONS_A_CORE * cores, seconds=options.seconds)
    everything, engine_took = cpu(pids) - all_before, cpu(engine) - engine_before
    client_s = own_s() - client_before
    an_ms = 1000 / seen.requests
    return {
        "rate": seen.rate,
        "model": everything.inference_s * an_ms,
        "engine": (engine_took.total_s - engine_took.inference_s) * an_ms,
        "workers": (everything.total_s - engine_took.total_s) * an_ms,
        "client": client_s * an_ms,
        "used": (everything.total_s + client_s) * seen.rate / seen.requests / cores,
    }


@contextlib.contextmanager
def only(cores: int) -> Iterator[None]:
    """Keep this process, and what it starts, to so many of its cores."""
    before = os.sched_getaffinity(0)
    if len(before) < cores:
        raise SystemExit(f"this needs {cores} cores, and may use {len(before)}")
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def table(by_cores: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of a table in Markdown: measured first, then computed."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{' ---: |' * len(HEAD)}"]
    basis: Costs | None = None
    for cores, costs in by_cores.items():
        computed = "–" if basis is None else f"{predicted(basis, int(cores)):,.0f}"
        parts = " | ".join(f"{costs[part]:.2f}" for part in PARTS)
        lines.append(
            f"| {cores} | {costs['rate']:,.0f} | {computed} | {parts} | {costs['used']:.0%} |"
        )
        basis = costs
    if basis is not None:
        lines += [f"| {n} | – | {predicted(basis, n):,.0f} | | | | | |" for n in COMPUTED]
    return lines


if __name__ == "__main__":
    sys.exit(main())
