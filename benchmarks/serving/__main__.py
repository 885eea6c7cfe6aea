"""Requests/s, latencies, CPU and memory of Hotshelf, its peers and ONNX Runtime alone, in one run.

    python -m benchmarks.serving --model NAME=FILE.onnx … [--servers hotshelf,mosec,…]
        [--connections 1,8,32,64] [--rounds 2] [--seconds 6] [--images FOLDER] [--save]

The rounds of all servers alternate, each round with servers started afresh; medians over the rounds
are shown, with the lowest and the highest. The load generator (wrk, one thread, closed loop) shares
the cores. "CPU outside" is what all processes of the service use, but for the threads that run the
model. When a peer (see `peer.py`) is first measured, it gets an environment of its own in
`.cache/peers`, 2 GB for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.results_file import write_results
from benchmarks.serving.load import Bodies, Measured, post
from benchmarks.serving.peer import PEERS, environment
from benchmarks.serving.processes import Cpu, cpu, family, machine_s, memory_mb
from benchmarks.serving.requests import bulk_bodies, image_bodies
from benchmarks.serving.servers import HOTSHELF, forms, server

WARM_UP_CONNECTIONS = 32
WARM_UP_S = 3.0
BULK_CONNECTIONS = 8


@dataclass(frozen=True)
class Requests:
    """What a server is sent: one JPEG a request, and 16 images a request."""

    jpegs: Bodies
    bulk: Bodies


def main() -> int:
    """Run the rounds, print a table, keep the results if asked to."""
    options = parse()
    models = {name: Path(file) for name, file in options.model}
    for name in options.servers:
        if name != HOTSHELF:
            environment(name)
    with tempfile.TemporaryDirectory(prefix="hotshelf-serving-") as folder:
        work = Path(folder)
        jpegs = image_bodies(work / "jpegs", options.images)
        requests = {name: requests_to(name, work, options) for name in options.servers}
        results = {
            name: measure_model(model, work, jpegs, requests, options)
            for name, model in models.items()
        }
    for name, result in results.items():
        show(name, result)
    if options.save:
        # Folders of this machine mean nothing elsewhere.
        command = "serving " + re.sub(r"[^ =]*/", "", " ".join(sys.argv[1:]))
        print(write_results("serving", command=command, machine=machine(), results=results))
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pair = lambda text: tuple(text.split("=", 1))  # noqa: E731
    names = lambda text: text.split(",")  # noqa: E731
    numbers = lambda text: [int(each) for each in text.split(",")]  # noqa: E731
    parser.add_argument("--model", type=pair, action="append", required=True)
    parser.add_argument("--servers", type=names, default=[HOTSHELF, *PEERS])
    parser.add_argument("--connections", type=numbers, default=[1, 8, 32, 64])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--images", type=Path, help="folder of 64×64 JPEGs; else some are drawn")
    parser.add_argument("--no-ceilings", action="store_true")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    known = [HOTSHELF, *PEERS]
    if unknown := [name for name in options.servers if name not in known]:
        parser.error(f"no server is called {', '.join(unknown)}; there are {', '.join(known)}")
    return options


def requests_to(name: str, work: Path, options: argparse.Namespace) -> Requests:
    """Write what a server is sent, in its own form."""
    folder, form = work / "requests" / name, forms(name)
    return Requests(
        jpegs=image_bodies(folder / "jpegs", options.images, form.jpeg),
        bulk=bulk_bodies(folder / "bulk", form.bulk),
    )


def measure_model(
    model: Path,
    work: Path,
    jpegs: Bodies,
    requests: dict[str, Requests],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Return medians and spread over the rounds for every server, and each round's ceilings."""
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in options.servers}
    ceilings = []
    for each in range(options.rounds):
        if not options.no_ceilings:
            ceilings.append(alone(model, jpegs))
        for name in options.servers if each % 2 == 0 else reversed(options.servers):
            sent = requests[name]
            with server(name, model, work, sent.jpegs) as running:
                rounds[name].append(measure(running.pid, running.url, sent, options))
                rounds[name][-1]["first_answer_s"] = round(running.first_answer_s, 2)
    return {
        "ceilings": ceilings,
        "servers": {name: median_of(values) for name, values in rounds.items()},
        "spread": {name: spread_of(values) for name, values in rounds.items()},
    }


def measure(pid: int, url: str, sent: Requests, options: argparse.Namespace) -> dict[str, float]:
    """Return one server's figures, flat: `rate_32`, `p99_ms_32`, `cpu_outside_ms_32`, …."""
    figures: dict[str, float] = {}
    post(url, sent.jpegs, connections=WARM_UP_CONNECTIONS, seconds=WARM_UP_S)
    for count in options.connections:
        seen, used, others = load(pid, url, sent.jpegs, count, options.seconds)
        figures |= {
            f"rate_{count}": seen.rate,
            f"p50_ms_{count}": seen.p50_ms,
            f"p99_ms_{count}": seen.p99_ms,
            f"cpu_ms_{count}": 1000 * used.total_s / seen.requests,
            f"errors_{count}": seen.errors,
            f"others_percent_{count}": others,
        }
        # A single client's images run in the engine's main thread, where they can't be told apart;
        # nor can they be in the peers, whose threads have no names.
        if count > 1 and used.inference_s:
            outside_s = used.total_s - used.inference_s
            figures[f"cpu_outside_ms_{count}"] = 1000 * outside_s / seen.requests
    seen, _, _ = load(pid, url, sent.bulk, BULK_CONNECTIONS, options.seconds)
    figures["bulk_images_s"] = seen.rate * sent.bulk.images_each
    figures["bulk_errors"] = seen.errors
    figures["memory_mb"] = memory_mb(family(pid))
    return figures


def load(
    pid: int, url: str, bodies: Bodies, connections: int, seconds: float
) -> tuple[Measured, Cpu, float]:
    """Return what wrk saw, what the server used, and the machine's share that others took (%).

    A measurement is as good as that share is small.
    """
    before, machine_before, mine_before = cpu(family(pid)), machine_s(), own_s()
    started = time.monotonic()
    seen = post(url, bodies, connections=connections, seconds=seconds)
    used = cpu(family(pid)) - before
    others = machine_s() - machine_before - used.total_s - (own_s() - mine_before)
    available = (time.monotonic() - started) * (os.cpu_count() or 1)
    return seen, used, 100 * max(0.0, others) / available


def own_s() -> float:
    """Return the CPU seconds of this process and of the load generators it ran."""
    times = os.times()
    return sum(times[:4])


def alone(model: Path, jpegs: Bodies) -> dict[str, Any]:
    """Return what ONNX Runtime, the decoder and HTTP do, in processes of their own."""
    command = [sys.executable, "-m", "benchmarks.serving.ceilings", str(model), str(jpegs.folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(ended.stdout)
    return measured


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {key: round(statistics.median(each[key] for each in rounds), 3) for key in rounds[0]}


def spread_of(rounds: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest of each figure."""
    values = {key: [round(each[key], 3) for each in rounds] for key in rounds[0]}
    return {key: (min(each), max(each)) for key, each in values.items()}


def show(name: str, result: dict[str, Any]) -> None:
    """Print one model's table."""
    for ceiling in result["ceilings"]:
        best = max(ceiling["ort"], key=lambda each: each["images_s"])
        one = min(each["run_ms"] for each in ceiling["ort"] if each["batch"] == 1)
        print(
            f"{name}: ONNX Runtime alone {best['images_s']:.0f} images/s (threads {best['threads']}"
            f", streams {best['streams']}, batch {best['batch']}), batch 1 in {one} ms; "
            f"decoding {ceiling['decode_us']} µs"
        )
        for each in ceiling["http"]:
            print(
                f"{name}: HTTP alone at {each['connections']} connections "
                f"{each['requests_s']:.0f} requests/s, CPU {each['cpu_ms']} ms a request"
            )
    for server_name, figures in result["servers"].items():
        print(f"{name} {server_name}")
        for key, value in figures.items():
            lowest, highest = result["spread"][server_name][key]
            spread = f"  ({lowest} to {highest})" if lowest < highest else ""
            print(f"    {key:20} {value}{spread}")


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": model.partition(":")[2].strip() or model,
        "cores": os.cpu_count(),
        "load_of_15_minutes": os.getloadavg()[2],
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnxruntime", "flask", "gunicorn", "numpy")},
    }


if __name__ == "__main__":
    sys.exit(main())
