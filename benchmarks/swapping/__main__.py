"""Swap two real versions again and again under load: failures, wrong answers, p99, memory.

    python -m benchmarks.swapping VERSION_FOLDER VERSION_FOLDER [--minutes 10] [--swaps 100]
        [--clients 32] [--save]

Each folder holds model.onnx and classes.json. The service follows the label `production`, which
moves by REST; nothing is kept in memory, so that every swap loads one version and unloads the
other. First the same clients ask for two minutes at most without a swap. The clients share the
cores with the service.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.results_file import write_results
from benchmarks.serving.processes import family, memory_mb
from benchmarks.serving.requests import image_bodies
from benchmarks.swapping.crowd import Crowd, Sample, answers_of, busy, percentile_ms
from model_store import Lineage, ModelStore, Signature, TensorSpec, open_store
from training.self_test import known_answers

ROOT = Path(__file__).resolve().parents[2]
SERVICE_PYTHON = ROOT / ".venv" / "service" / "bin" / "python"
MODEL = "resnet50"
LABEL = "production"
TOKEN = "benchmark-token-1"  # noqa: S105 - made up
START_S = 60.0
SETTLE_S = 30.0
NOW = "2026-01-01T00:00:00Z"


def main() -> int:
    """Run it, print what came out, keep it if asked to; 1 if a request failed or was wrong."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="hotshelf-swapping-") as folder:
        result = measure(Path(folder), options)
    print(json.dumps(result, indent=2))
    if options.save:
        command = "swapping " + " ".join(sys.argv[1:])
        machine = {"cores": os.cpu_count(), "machine": platform.machine()}
        print(write_results("swapping", command=command, machine=machine, results=result))
    return 1 if result["failed"] else 0


def parse() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="benchmarks.swapping", description=__doc__)
    parser.add_argument("versions", type=Path, nargs=2)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def measure(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what happened without and with swaps."""
    store = open_store(f"file://{work}/shelf")
    bodies = image_bodies(work / "images", None)
    images = [path.read_bytes() for path in sorted(bodies.folder.glob("*.bin"))[:32]]
    expected = {str(publish(store, each)): answers(each, images) for each in options.versions}
    store.label(MODEL, LABEL, 1)
    period_s = 60 * options.minutes / options.swaps
    with service(store, work) as (port, pid), event_loop() as loop:
        crowd = Crowd(port, images, expected, options.clients)
        memory: list[float] = []
        with busy(crowd, loop):
            time.sleep(min(120.0, 30 * options.minutes))
            quiet = take(crowd)
            for swap in range(options.swaps):
                due = time.monotonic() + period_s
                move_label(port, 2 - swap % 2)
                wait_until(lambda: states(port) == {1 + (swap + 1) % 2: "AVAILABLE"})  # noqa: B023
                memory.append(memory_mb(family(pid)))
                time.sleep(max(0.0, due - time.monotonic()))
            swapping = take(crowd)
    return summary(quiet, swapping, memory)


def take(crowd: Crowd) -> list[Sample]:
    """Return the samples so far and begin anew."""
    taken, crowd.samples = crowd.samples, []
    return taken


def summary(quiet: list[Sample], swapping: list[Sample], memory: list[float]) -> dict[str, Any]:
    """Return the numbers that the promise is about."""
    wrong = [each.wrong for each in [*quiet, *swapping] if each.wrong]
    by_version = {
        version: sum(each.version == version for each in swapping)
        for version in sorted({each.version for each in swapping})
    }
    after_fifth = memory[min(4, len(memory) - 1)]
    return {
        "swaps": len(memory),
        "answers": {"without": len(quiet), "swapping": len(swapping), "by_version": by_version},
        "failed": len(wrong),
        "first_failures": wrong[:5],
        "p50_ms": {"without": percentile_ms(quiet, 50), "swapping": percentile_ms(swapping, 50)},
        "p99_ms": {"without": percentile_ms(quiet, 99), "swapping": percentile_ms(swapping, 99)},
        "p99_ratio": round(percentile_ms(swapping, 99) / percentile_ms(quiet, 99), 3),
        "memory_mb": {
            "after_fifth": round(after_fifth, 1),
            "after_last": round(memory[-1], 1),
            "most": round(max(memory), 1),
        },
        "memory_ratio": round(memory[-1] / after_fifth, 3),
    }


def publish(store: ModelStore, folder: Path) -> int:
    """Publish the folder with its known answers; return its number."""
    classes = len(json.loads((folder / "classes.json").read_text()))
    image = TensorSpec("image", "uint8", (None, 64, 64, 3))
    return store.publish(
        MODEL,
        folder,
        signature=Signature(
            inputs=(image,), outputs=(TensorSpec("probabilities", "float32", (None, classes)),)
        ),
        metrics={},
        lineage=Lineage(
            code_version="benchmark",
            data_digest="unknown",
            mode="single",
            world_size=1,
            hyperparameters={},
            started_at=NOW,
            finished_at=NOW,
            host="benchmark",
        ),
        self_test=known_answers(folder),
    ).version


def answers(folder: Path, images: list[bytes]) -> list[dict[str, float]]:
    """Return the version's right answers."""
    wnids = [each["wnid"] for each in json.loads((folder / "classes.json").read_text())]
    return answers_of(str(folder / "model.onnx"), images, wnids)


@contextlib.contextmanager
def service(store: ModelStore, work: Path) -> Iterator[tuple[int, int]]:
    """Run the service; yield its port and process id once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {key: value for key, value in os.environ.items() if not key.startswith("HOTSHELF_")}
    settings = {
        "HOTSHELF_STORE": store.url,
        "HOTSHELF_CACHE": str(work / "cache"),
        "HOTSHELF_PORT": str(port),
        "HOTSHELF_SERVE": f"label:{LABEL}",
        "HOTSHELF_ADMIN_TOKENS": f"benchmark:{TOKEN}",
    }
    with (work / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [SERVICE_PYTHON, "-m", "service"],
            cwd=ROOT,
            env={**own, **settings},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: ask(port, "/readyz") is not None, within_s=START_S)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def move_label(port: int, version: int) -> None:
    """Point the label at a version, as an operator would."""
    body = json.dumps({"version": version}).encode()
    if ask(port, f"/admin/labels/{LABEL}", method="PUT", body=body) is None:
        raise RuntimeError(f"the label can't be moved to version {version}")


def states(port: int) -> dict[int, str]:
    """Return the state of every version."""
    found = ask(port, f"/v1/models/{MODEL}") or {"model_version_status": []}
    return {int(each["version"]): each["state"] for each in found["model_version_status"]}


def ask(port: int, path: str, *, method: str = "GET", body: bytes | None = None) -> Any:
    """Return the JSON of an answer, None where there is none or it is an error."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        body,
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return json.loads(answer.read())
    except OSError:
        return None


def wait_until(true: Callable[[], bool], *, within_s: float = SETTLE_S) -> None:
    """Return as soon as it is true; raise TimeoutError if that takes too long."""
    ends = time.monotonic() + within_s
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {within_s:.0f} s")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
