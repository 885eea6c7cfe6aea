"""Closed-loop load from wrk: one thread, which shares the cores with what it measures."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.serving.forms import Form

SCRIPT = Path(__file__).with_name("cycle.lua")


@dataclass(frozen=True)
class Bodies:
    """Requests of one form: bodies in files `000.bin`, `001.bin`, …, headers in `headers`."""

    folder: Path
    form: Form
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
    folder: Path, payloads: list[bytes], form: Form, *, images_each: int = 1
) -> Bodies:
    """Lay requests that carry the payloads out as `cycle.lua` reads them."""
    folder.mkdir(parents=True)
    for index, payload in enumerate(payloads):
        (folder / f"{index:03d}.bin").write_bytes(form.body(payload))
    lines = (f"{name}: {value}\n" for name, value in form.headers.items())
    (folder / "headers").write_text("".join(lines))
    return Bodies(folder, form, images_each)


def post(url: str, bodies: Bodies, *, connections: int, seconds: float) -> Measured:
    """Post the bodies in turn over so many connections; raises RuntimeError when wrk fails."""
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s",
        "-s", str(SCRIPT), url + bodies.form.path, "--", str(bodies.folder),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in ended.stdout.splitlines():
        if line.startswith("JSON "):
            return msgspec.convert(json.loads(line.removeprefix("JSON ")), Measured)
    raise RuntimeError(f"wrk said {ended.stdout!r} {ended.stderr!r}")
