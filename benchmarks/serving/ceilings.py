"""What nothing can beat: ONNX Runtime alone, decoding alone, and our HTTP alone.

    python -m benchmarks.serving.ceilings MODEL.onnx FOLDER_OF_REQUESTS

prints JSON: images/s by threads × streams × batch, the microseconds that decoding a JPEG takes, and
requests/s with their CPU time by connections. The requests are JPEGs as `cycle.lua` reads them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.serving.forms import PLAIN, Form
from benchmarks.serving.load import Bodies, post
from benchmarks.serving.processes import cpu, family
from benchmarks.serving.servers import http_alone
from imaging import decode_image

SECONDS = 1.0
HTTP_SECONDS = 2.0
HTTP_CONNECTIONS = (1, 32)
BATCHES = (1, 4, 8, 16, 32)
# (threads of one run, runs at a time, whether waiting threads spin)
SHAPES = ((1, 1, False), (1, 2, False), (2, 1, False), (2, 1, True))


def main() -> None:
    """Measure and print."""
    model, folder = sys.argv[1], Path(sys.argv[2])
    print(
        json.dumps(
            {"ort": runtime(model), "decode_us": decoding(folder), "http": http(folder)},
        )
    )


def runtime(model: str) -> list[dict[str, Any]]:
    """Return images/s, and ms a run takes, for each shape and batch."""
    results = []
    for threads, streams, spinning in SHAPES:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        options.log_severity_level = 3
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for batch in BATCHES:
            runs_s = rate(session, batch, streams)
            results.append(
                {
                    "threads": threads,
                    "streams": streams,
                    "spinning": spinning,
                    "batch": batch,
                    "images_s": round(runs_s * batch, 1),
                    "run_ms": round(1000 * streams / runs_s, 2),
                }
            )
    return results


def rate(session: ort.InferenceSession, batch: int, streams: int) -> float:
    """Return how many runs a second all streams together finish."""
    images = np.random.default_rng(0).integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    counts = [0] * streams
    session.run(None, {"image": images})
    ends = time.perf_counter() + SECONDS

    def stream(index: int) -> None:
        while time.perf_counter() < ends:
            session.run(None, {"image": images})
            counts[index] += 1

    threads = [threading.Thread(target=stream, args=(index,)) for index in range(streams)]
    started = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(counts) / (time.perf_counter() - started)


def decoding(folder: Path) -> float:
    """Return the microseconds that decoding one of the JPEGs takes."""
    images = [path.read_bytes() for path in sorted(folder.glob("*.bin"))]
    count = 0
    started = time.perf_counter()
    while time.perf_counter() < started + SECONDS:
        for each in images:
            decode_image(each)
        count += len(images)
    return round((time.perf_counter() - started) / count * 1e6, 1)


def http(folder: Path) -> list[dict[str, float]]:
    """Return what our HTTP worker does where a request needs nothing else, load included."""
    bodies = Bodies(folder, Form("/nothing", PLAIN.jpeg.headers), images_each=1)
    results = []
    with tempfile.TemporaryDirectory() as work, http_alone(Path(work), bodies) as running:
        for connections in HTTP_CONNECTIONS:
            before = cpu(family(running.pid))
            seen = post(running.url, bodies, connections=connections, seconds=HTTP_SECONDS)
            used = cpu(family(running.pid)) - before
            results.append(
                {
                    "connections": connections,
                    "requests_s": seen.rate,
                    "p50_ms": seen.p50_ms,
                    "p99_ms": seen.p99_ms,
                    "cpu_ms": round(1000 * used.total_s / seen.requests, 3),
                }
            )
    return results


if __name__ == "__main__":
    main()
