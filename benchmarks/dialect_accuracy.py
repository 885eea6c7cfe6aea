"""Measures whether a running service answers as well as its model, in whatever dialect one asks.

    python -m benchmarks.dialect_accuracy --data tiny-imagenet-200.tar.gz
        [--service http://127.0.0.1:8000] [--images 5000] [--expect 0.3814] [--save]

Sends validation images as they are in the data set (for binary tensors, their pixels as Pillow
decodes them) in every dialect, several a request where it takes several, and counts how many first
guesses are right. Exit code 1 where two dialects differ by more than 0.1 point, or one differs so
much from `--expect`, the accuracy that the version's manifest states.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import requests
from PIL import Image

from benchmarks.results_file import write_results
from loadtest.dialects import inference, simple, tfserving
from loadtest.dialects.question import Question
from loadtest.samples import Sample
from training.data.layout import LISTS, read_layout
from training.data.source import open_source
from training.outlook.machine import this_machine

MODEL = "resnet50"
SEVERAL = 25
AT_ONCE = 8
TIMEOUT_S = 60
MOST_DIFFERENCE = 0.001

Ask = Callable[[Sequence[Sample]], Question]


class Dialect:
    """How to ask: `several` images a request or one, encoded or as pixels."""

    def __init__(self, ask: Ask, *, several: bool = True, pixels: bool = False) -> None:
        self.ask = ask
        self.several = several
        self.pixels = pixels


def dialects(names: Sequence[str]) -> dict[str, Dialect]:
    """Return every way to ask; `names` are the labels of the model's outputs, in order."""

    def names_of(version: str) -> Sequence[str]:  # noqa: ARG001 - one version answers
        return names

    return {
        "simple, the image as the body": Dialect(
            lambda some: simple.ask_bytes(some[0]), several=False
        ),
        "simple, JSON": Dialect(simple.ask_json),
        "simple, a form": Dialect(simple.ask_form),
        "Hugging Face's address": Dialect(
            lambda some: replace(simple.ask_bytes(some[0]), path=f"/?top={simple.TOP}"),
            several=False,
        ),
        "TensorFlow Serving, rows": Dialect(
            lambda some: tfserving.ask_predict(MODEL, some, names_of)
        ),
        "TensorFlow Serving, columns": Dialect(
            lambda some: tfserving.ask_predict(MODEL, some, names_of, columns=True)
        ),
        "TensorFlow Serving, classify": Dialect(lambda some: tfserving.ask_classify(MODEL, some)),
        "Open Inference Protocol, JSON": Dialect(
            lambda some: inference.ask_json(MODEL, some, names_of)
        ),
        "Open Inference Protocol, classes": Dialect(
            lambda some: inference.ask_classes(MODEL, some)
        ),
        "Open Inference Protocol, binary pixels": Dialect(
            lambda some: inference.ask_binary(MODEL, some, names_of), pixels=True
        ),
    }


def validation_images(path: Path, most: int) -> tuple[list[tuple[bytes, str]], list[str]]:
    """Return (encoded image, its class's label), and all labels in order.

    Raises DataError for what isn't such a data set.
    """
    source = open_source(path)
    names = source.names()
    texts = {name: data.decode() for name, data in source.read([n for n in LISTS if n in names])}
    layout = read_layout(names, texts)
    labels = [each.label for each in layout.classes]
    wanted = dict(layout.val[:most])
    images = [(data, labels[wanted[name]]) for name, data in source.read(list(wanted))]
    return images, labels


def accuracy(service: str, dialect: Dialect, images: Sequence[tuple[bytes, str]]) -> float:
    """Return the part of the images whose first guess is right; raises WrongAnswer or HTTPError."""
    size = SEVERAL if dialect.several else 1
    parts = [images[start : start + size] for start in range(0, len(images), size)]

    def right_of(part: Sequence[tuple[bytes, str]]) -> int:
        samples = [_sample(data, pixels=dialect.pixels) for data, _ in part]
        question = dialect.ask(samples)
        answer = requests.post(
            service + question.path,
            data=question.body,
            headers=question.headers or {"Content-Type": "image/jpeg"},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        reply = question.read(headers, answer.content)
        pairs = zip(reply.images, part, strict=True)
        return sum(found.label == label for found, (_, label) in pairs)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(_shown(pool.map(right_of, parts), len(parts))) / len(images)


def _shown(counts: Iterator[int], parts: int) -> Iterator[int]:
    started = shown = time.monotonic()
    for done, count in enumerate(counts, 1):
        yield count
        now = time.monotonic()
        if now - shown > 1:
            shown, left_s = now, (now - started) / done * (parts - done)
            print(
                f"\r{done:,} of {parts:,} requests, {left_s:.0f} s left  ", end="", file=sys.stderr
            )
    print("\r" + " " * 50, end="\r", file=sys.stderr)


def _sample(data: bytes, *, pixels: bool) -> Sample:
    if not pixels:
        return Sample("", data)
    with Image.open(io.BytesIO(data)) as image:
        return Sample("", image.convert("RGB").tobytes(), is_pixels=True)


def main() -> int:
    """Ask in every dialect, print what was right, and tell by the exit code whether they agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--service", default="http://127.0.0.1:8000")
    parser.add_argument("--images", type=int, default=1_000_000, help="at most so many")
    parser.add_argument("--expect", type=float, help="top-1 that the manifest states, such as 0.38")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    args = parser.parse_args()
    images, labels = validation_images(args.data, args.images)
    found: dict[str, float] = {}
    for name, dialect in dialects(labels).items():
        found[name] = accuracy(args.service.rstrip("/"), dialect, images)
        print(f"{name:40} {found[name]:.2%} of {len(images):,} images", flush=True)
    stated = [*found.values(), *([args.expect] if args.expect is not None else [])]
    good = max(stated) - min(stated) <= MOST_DIFFERENCE
    if args.save:
        command = f"dialect_accuracy --data {args.data.name}"
        command += f" --expect {args.expect}" if args.expect is not None else ""
        results = {"images": len(images), "top1": found}
        print(
            write_results(
                "dialect_accuracy", command=command, machine=str(this_machine()), results=results
            )
        )
    print("all the same" if good else "THEY DIFFER")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
