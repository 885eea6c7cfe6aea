"""Images/s and latency over HTTP on GPUs, next to ONNX Runtime and HTTP alone, in one run.

    python -m benchmarks.serving_gpu --model FILE.onnx [--connections 64,256,512] [--rounds 3]
        [--seconds 8] [--clients 4] [--workers 8] [--device cuda] [--save]

Needs nothing but the packages of requirements/service-gpu.txt and a GPU's driver, in the Python
that runs it: the load comes from Python processes (`--clients`), which share the cores with the
service. In each round, one after the other:

- ONNX Runtime alone on one GPU: the best of plain runs, buffers that stay there and CUDA graphs, by
  size of batch and runs at a time;
- HTTP alone: our worker with a view that takes a JPEG and decodes it, but asks no engine;
- the service: one JPEG a request, then uint8 tensors of 16 images a request.

With `--device cpu` all of it runs on the processor, to try the script out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_file import write_results
from benchmarks.serving.__main__ import machine
from benchmarks.serving.forms import BINARY_PROTOCOL, PLAIN, Form
from benchmarks.serving.load import Bodies
from benchmarks.serving.python_load import Load, post_from_processes
from benchmarks.serving.requests import bulk_bodies, image_bodies
from benchmarks.serving.servers import CLASSES, HOTSHELF, http_alone, server
from imaging import IMAGE_SHAPE
from service.engine.device import Device
from service.engine.gpus import CAPTURING_RUNS
from service.engine.runtime import LoadedModel, open_on_cpu, open_on_gpu
from service.ipc.messages import Images

BATCHES = (1, 8, 32, 64, 128, 256)
STREAMS = (1, 2)
ALONE_S = 1.0
WARM_UP_S = 3.0
# Triton's published figure for ResNet-50 on an A100, at 224×224 pixels.
AIM_IMAGES_S, AIM_P99_MS = 6127, 46.0


def main() -> int:
    """Run the rounds, print the medians, keep the results if asked to."""
    options = parse()
    os.environ["HOTSHELF_DEVICE"] = options.device
    os.environ["HOTSHELF_WORKERS"] = str(options.workers)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="hotshelf-serving-gpu-") as folder:
        work = Path(folder)
        jpegs = image_bodies(work / "jpegs", options.images)
        bulk = bulk_bodies(work / "bulk", BINARY_PROTOCOL.bulk)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            rounds.append(
                {
                    "runtime": runtime_alone(options.model, options.device),
                    "http": http_rates(work, jpegs, options),
                    **service_rates(work, jpegs, bulk, options),
                }
            )
    found = medians(rounds)
    show(found)
    if options.save:
        results = {"medians": found, "rounds": rounds}
        command = f"serving_gpu --device {options.device} --workers {options.workers}"
        print(write_results("serving_gpu", command=command, machine=machine(), results=results))
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    numbers = lambda text: [int(each) for each in text.split(",")]  # noqa: E731
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", choices=[*Device], default=Device.CUDA)
    parser.add_argument("--connections", type=numbers, default=[64, 256, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", type=int, default=max(1, cores // 4))
    parser.add_argument("--workers", type=int, default=max(1, cores // 2))
    parser.add_argument("--images", type=Path, help="folder of 64×64 JPEGs; else some are drawn")
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def runtime_alone(model: Path, device: str) -> dict[str, float]:
    """Return images/s of ONNX Runtime alone: `plain_64x2` is two streams of batches of 64."""
    found: dict[str, float] = {}
    for way, opened in ways(model, device).items():
        for streams in STREAMS:
            try:
                found |= {
                    f"{way}_{batch}x{streams}": round(images_s, 1)
                    for batch, images_s in streams_rates(way, opened, streams)
                }
            # Not every model can be captured; what can't is left out.
            except Exception as error:  # noqa: BLE001
                print(f"{way}, {streams} streams: {error}", file=sys.stderr)
    return found


def streams_rates(
    way: str, opened: Callable[[], LoadedModel], streams: int
) -> Iterator[tuple[int, float]]:
    """Yield images/s for each size of batch, with so many runs at a time.

    Each stream is one thread from first to last: a CUDA graph is for the one that captured it.
    """
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(streams)]
        models = [thread.submit(opened).result() for thread in threads]
        for batch in BATCHES:
            images = np.random.default_rng(0).integers(0, 256, (batch, *IMAGE_SHAPE), np.uint8)
            runs = [
                thread.submit(runs_of, model, way, batch).result()
                for thread, model in zip(threads, models, strict=True)
            ]
            for thread, run in zip(threads, runs, strict=True):
                for _ in range(CAPTURING_RUNS):
                    thread.submit(run, images).result()
            rates = [
                thread.submit(runs_s, run, images)
                for thread, run in zip(threads, runs, strict=True)
            ]
            yield batch, batch * sum(each.result() for each in rates)


def ways(model: Path, device: str) -> dict[str, Callable[[], LoadedModel]]:
    """Return how the model may be opened on the device, by the name of what runs then."""
    if device == Device.CPU:
        opened = partial(open_on_cpu, model, 1, optimized=False)
        return {"plain": opened, "bound": opened}
    plain = partial(open_on_gpu, model, 0, graphs=False)
    return {"plain": plain, "bound": plain, "graph": partial(open_on_gpu, model, 0, graphs=True)}


def runs_of(model: LoadedModel, way: str, batch: int) -> Callable[[Images], object]:
    """Return what runs a batch of the size."""
    return model.run if way == "plain" else model.bind(batch, CLASSES).run


def runs_s(run: Callable[[Images], object], images: Images) -> float:
    """Return how many runs one stream finishes in a second."""
    count, started = 0, time.perf_counter()
    while (now := time.perf_counter()) < started + ALONE_S:
        run(images)
        count += 1
    return count / (now - started)


def http_rates(work: Path, jpegs: Bodies, options: argparse.Namespace) -> dict[str, float]:
    """Return requests/s of our HTTP worker that decodes and does nothing else."""
    bodies = Bodies(jpegs.folder, Form("/decoded", PLAIN.jpeg.headers), images_each=1)
    with http_alone(work, bodies) as running:
        return {
            f"rate_{count}": load(running.url, bodies, count, options).measured.rate
            for count in options.connections
        }


def service_rates(
    work: Path, jpegs: Bodies, bulk: Bodies, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Return what the service does by JPEG and by tensors, at each number of connections."""
    with server(HOTSHELF, options.model, work, jpegs) as running:
        post_from_processes(
            running.url, jpegs, connections=max(options.connections), seconds=WARM_UP_S,
            processes=options.clients,
        )  # fmt: skip
        return {
            name: {
                key: value
                for count in options.connections
                for key, value in figures(load(running.url, bodies, count, options), bodies, count)
            }
            for name, bodies in (("jpeg", jpegs), ("tensor", bulk))
        }


def load(url: str, bodies: Bodies, connections: int, options: argparse.Namespace) -> Load:
    """Return what the clients saw."""
    return post_from_processes(
        url, bodies, connections=connections, seconds=options.seconds, processes=options.clients
    )


def figures(seen: Load, bodies: Bodies, count: int) -> list[tuple[str, float]]:
    """Return the figures of one measurement, by name."""
    return [
        (f"images_s_{count}", seen.measured.rate * bodies.images_each),
        (f"p50_ms_{count}", seen.measured.p50_ms),
        (f"p99_ms_{count}", seen.measured.p99_ms),
        (f"errors_{count}", seen.measured.errors),
        (f"clients_busy_{count}", round(seen.busy, 3)),
    ]


def medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each figure over the rounds that have it."""
    return {
        part: {
            key: round(statistics.median(each[part][key] for each in rounds), 3)
            for key in first
            if all(key in each[part] for each in rounds)
        }
        for part, first in rounds[0].items()
    }


def show(result: dict[str, dict[str, Any]]) -> None:
    """Print what was reached of what is possible, and all medians."""
    best = max(result["runtime"], key=lambda key: result["runtime"][key])
    ceiling = result["runtime"][best]
    http = max(result["http"].values())
    for part in ("jpeg", "tensor"):
        key = max(
            (key for key in result[part] if key.startswith("images_s")),
            key=lambda key: result[part][key],
        )
        reached, p99 = result[part][key], result[part][key.replace("images_s", "p99_ms")]
        shares = f"{reached / ceiling:.0%} of ONNX Runtime alone ({ceiling:.0f}, {best})"
        if part == "jpeg":
            shares += f", {reached / http:.0%} of HTTP and decoding alone ({http:.0f})"
        print(f"{part}: {reached:.0f} images/s at p99 {p99:.1f} ms; {shares}")
    print(f"aim: more than {AIM_IMAGES_S} images/s at p99 below {AIM_P99_MS:.0f} ms")
    for part, values in result.items():
        print(part)
        for key, value in values.items():
            print(f"    {key:24} {value}")


if __name__ == "__main__":
    sys.exit(main())
