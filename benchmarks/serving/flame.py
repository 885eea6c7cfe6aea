"""Where the time of a request goes: flame graphs of the HTTP worker and of the engine under load.

    python -m benchmarks.serving.flame --model FILE.onnx [--connections 32] [--seconds 20]

writes `docs/images/performance-worker.svg` and `performance-engine.svg`: opened by themselves in a
browser, they can be searched and zoomed. The bar of a function is as wide as the part of samples in
which it, or what it called, used a processor. py-spy takes the samples, from outside, a few hundred
a second; it may look into other processes as root only, or where the kernel allows it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.serving.load import post
from benchmarks.serving.processes import family
from benchmarks.serving.requests import image_bodies
from benchmarks.serving.servers import HOTSHELF, server

IMAGES = Path(__file__).parents[2] / "docs" / "images"
# What the command line of each process has, and no other process of the service.
PROCESSES = {"worker": b"create_service", "engine": b"service.engine"}
SAMPLES_A_SECOND = 400
WARM_UP_S = 3.0


def main() -> int:
    """Sample both processes at the same time, under load."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.flame",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotshelf-flame-") as folder:
        work = Path(folder)
        jpegs = image_bodies(work / "jpegs", None)
        with server(HOTSHELF, options.model, work, jpegs) as running:
            load = {"connections": options.connections}
            post(running.url, jpegs, seconds=WARM_UP_S, **load)
            spies = [
                spy(process_of(running.pid, words), name, options)
                for name, words in PROCESSES.items()
            ]
            seen = post(running.url, jpegs, seconds=options.seconds + 1, **load)
            failed = [each for each in spies if each.wait() != 0]
    if failed:
        print("py-spy couldn't sample the service", file=sys.stderr)
        return 1
    for name in PROCESSES:
        entitle(
            picture_of(name), f"{name.capitalize()} of the service, {options.connections} clients"
        )
    print(f"{seen.rate:.0f} requests/s while both were sampled")
    return 0


def process_of(pid: int, words: bytes) -> int:
    """Return the last of a family's processes whose command line has these words.

    Processes that wait for others come first.
    """
    return [each for each in family(pid) if words in Path(f"/proc/{each}/cmdline").read_bytes()][-1]


def picture_of(name: str) -> Path:
    """Return where a process' flame graph is kept."""
    return IMAGES / f"performance-{name}.svg"


def entitle(picture: Path, title: str) -> None:
    """Say what is seen, where py-spy says by which command and into which folder."""
    drawn = picture.read_text("utf-8")
    picture.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1{title}", drawn), "utf-8")


def spy(pid: int, name: str, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start to sample a process."""
    program = Path(sys.executable).with_name("py-spy")
    return subprocess.Popen(
        [
            program, "record", "--pid", str(pid), "--output", picture_of(name),
            "--duration", str(options.seconds), "--rate", str(SAMPLES_A_SECOND),
            "--function", "--threads", "--nonblocking",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
