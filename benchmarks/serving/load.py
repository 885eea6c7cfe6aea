"""Closed-loop load from wrk: one thread, which shares the cores with what it measures."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

SCRIPT = Path(__file__).with_name("cycle.lua")


@dataclass(frozen=True)
class Bodies:
    """Requests to one path: bodies in files `000.bin`, `001.bin`, …, headers in `headers`."""

    folder: Path
    path: str
    images_each: int


class Measured(msgspec.Struct, frozen=True):
    """What wrk saw: requests/s and latencies."""

    requests: int
    rate: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    errors: int


def write_bodies(
    folder: Path, bodies: list[bytes], *, path: str, headers: dict[str, str], images_each: int = 1
) -> Bodies:
    """Lay bodies and headers out as `cycle.lua` reads them."""
    folder.mkdir(parents=True)
    for index, body in enumerate(bodies):
        (folder / f"{index:03d}.bin").write_bytes(body)
    lines = (f"{name}: {value}\n" for name, value in headers.items())
    (folder / "headers").write_text("".join(lines))
    return Bodies(folder, path, images_each)


def post(url: str, bodies: Bodies, *, connections: int, seconds: float) -> Measured:
    """Post the bodies in turn over so many connections; raises RuntimeError when wrk fails."""
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s",
        "-s", str(SCRIPT), url + bodies.path, "--", str(bodies.folder),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in ended.stdout.splitlines():
        if line.startswith("JSON "):
            return msgspec.convert(json.loads(line.removeprefix("JSON ")), Measured)
    raise RuntimeError(f"wrk said {ended.stdout!r} {ended.stderr!r}")
