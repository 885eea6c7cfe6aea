"""What each stem and variant costs to serve: images/s of ONNX Runtime alone, and bytes.

    python -m benchmarks.stems_and_variants [--rounds 5] [--save]

Each stem is built, exported, quantized and halved as a training run does it, with the weights that
a network begins with: neither speed nor size depends on what it has learnt. All files take turns,
in two shapes: as the service runs them under load (a run of eight images on each core, one thread
each) and for a lone client (one image, threads on all cores). What a stem reaches in accuracy only
training says: see docs/accuracy.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime as ort

from benchmarks.results_file import write_results
from benchmarks.serving.ceilings import rate
from training.data.layout import ClassName
from training.export import export
from training.model import Architecture, Stem
from training.outlook.machine import this_machine
from training.progress import make_bars
from training.signature import ONNX
from training.trainee import make_trainee
from training.variants.fp16 import halve
from training.variants.int8 import quantize
from training.variants.settings import Quantization, file_of

CLASSES = tuple(ClassName(wnid=f"n{n:08d}", label=str(n), names=str(n)) for n in range(200))
BATCH = 8
CALIBRATION_IMAGES = 32


def write_variants(stem: Stem, folder: Path) -> list[Path]:
    """Write the three ONNX files of a network with this stem."""
    architecture = Architecture(classes=len(CLASSES), stem=stem)
    trainee = make_trainee(
        architecture, precision="float32", seed=0, momentum=0.9, with_average=False
    )
    export(trainee.model, architecture, CLASSES, folder)
    images = np.random.default_rng(0).integers(
        0, 256, (CALIBRATION_IMAGES, 64, 64, 3), dtype=np.uint8
    )
    int8, fp16 = folder / file_of("int8"), folder / file_of("fp16")
    quantize(folder / ONNX, int8, images, Quantization(), make_bars())
    halve(folder / ONNX, fp16)
    return [folder / ONNX, int8, fp16]


def open_session(file: Path, threads: int) -> ort.InferenceSession:
    """Open a file as the service does on processors."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def measure(files: dict[str, Path], rounds: int) -> dict[str, dict[str, Any]]:
    """Return bytes, and the medians of images/s under load and of ms for a lone image."""
    cores = os.cpu_count() or 1
    loaded: dict[str, list[float]] = {name: [] for name in files}
    alone: dict[str, list[float]] = {name: [] for name in files}
    for each in range(rounds):
        for name, file in files.items():
            loaded[name].append(BATCH * rate(open_session(file, 1), BATCH, cores))
            alone[name].append(1000 / rate(open_session(file, cores), 1, 1))
        print(f"round {each + 1} of {rounds}", file=sys.stderr)
    return {
        name: {
            "bytes": file.stat().st_size,
            "images_s": round(statistics.median(loaded[name]), 1),
            "images_s_of_rounds": [round(value, 1) for value in loaded[name]],
            "alone_ms": round(statistics.median(alone[name]), 2),
        }
        for name, file in files.items()
    }


def main() -> None:
    """Write all files, measure them, print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        files = {
            f"{stem} {file.name}": file
            for stem in get_args(Stem)
            for file in write_variants(stem, Path(place) / stem)
        }
        results = measure(files, args.rounds)
    for name, found in results.items():
        print(
            f"{name:26} {found['images_s']:8.1f} images/s {found['alone_ms']:8.2f} ms alone"
            f" {found['bytes'] / 1e6:7.1f} MB"
        )
    if args.save:
        command = f"stems_and_variants --rounds {args.rounds}"
        print(
            write_results(
                "stems_and_variants", command=command, machine=str(this_machine()), results=results
            )
        )


if __name__ == "__main__":
    main()
