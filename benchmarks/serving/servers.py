"""Starts what is measured: Hotshelf from its own environment, each peer from one made for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.serving.forms import BINARY_PROTOCOL, Forms
from benchmarks.serving.load import Bodies
from benchmarks.serving.peer import PEERS, start_peer
from benchmarks.serving.processes import family
from model_store import Lineage, Signature, TensorSpec, open_store

ROOT = Path(__file__).resolve().parents[2]
HOTSHELF = "hotshelf"
# On a machine that was given nothing but packages, who runs us runs the service too.
_OWN = ROOT / ".venv" / "service" / "bin" / "python"
SERVICE_PYTHON = _OWN if _OWN.exists() else Path(sys.executable)
# On GPUs, loading tries several ways to run each size of batch.
START_S = 180.0
STOP_S = 30.0
LOG_SHOWN = 2000
CLASSES = 200


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    pid: int
    url: str
    first_answer_s: float


def server(
    name: str, model: Path, work: Path, first: Bodies
) -> contextlib.AbstractContextManager[Running]:
    """Run a server with the model until the end of the block; it has answered once by then."""
    if name == HOTSHELF:
        return _run(name, work, first, partial(_hotshelf, model, work))
    return _run(name, work, first, partial(start_peer, name, model, work))


def http_alone(work: Path, first: Bodies) -> contextlib.AbstractContextManager[Running]:
    """Run the service's HTTP worker without the service until the end of the block."""
    return _run("http_alone", work, first, partial(_http_alone, work))


@contextlib.contextmanager
def _run(
    name: str, work: Path, first: Bodies, start: Callable[[int, int], subprocess.Popen[bytes]]
) -> Iterator[Running]:
    """Start a process with a port and an open file for its output; stop all of it at the end."""
    port = _free_port()
    log_file = work / f"{name}.log"
    with log_file.open("ab") as log:
        process = start(port, log.fileno())
    started = time.monotonic()
    url = f"http://127.0.0.1:{port}"
    try:
        if not _answers(process, url, first):
            state = f"gave no answer within {START_S:.0f} s"
            if process.poll() is not None:
                state = f"ended with status {process.returncode}"
            last = log_file.read_text(errors="replace")[-LOG_SHOWN:]
            raise RuntimeError(f"{name} {state}; the last that it said was\n{last}")
        yield Running(process.pid, url, time.monotonic() - started)
    finally:
        _stop(process)


def publish(model: Path, work: Path) -> str:
    """Return the URL of a store whose one version is the model."""
    folder = work / f"version-{model.stem}"
    url = f"file://{work}/shelf-{model.stem}"
    if folder.exists():
        return url
    folder.mkdir()
    shutil.copyfile(model, folder / "model.onnx")
    (folder / "saved_model.pb").write_bytes(b"not read by the service")
    names = [{"wnid": f"n{index:08d}", "label": str(index)} for index in range(CLASSES)]
    (folder / "classes.json").write_text(json.dumps(names))
    image = TensorSpec(name="image", dtype="uint8", shape=(None, 64, 64, 3))
    answer = TensorSpec(name="probabilities", dtype="float32", shape=(None, CLASSES))
    now = "2026-01-01T00:00:00Z"
    open_store(url).publish(
        "resnet50",
        folder,
        signature=Signature(inputs=(image,), outputs=(answer,)),
        metrics={"model.onnx": {"top1": 0.5}},
        lineage=Lineage(
            code_version="benchmark",
            data_digest="0" * 64,
            mode="single",
            world_size=1,
            hyperparameters={},
            started_at=now,
            finished_at=now,
            host="benchmark",
        ),
    )
    return url


def _hotshelf(model: Path, work: Path, port: int, log: int) -> subprocess.Popen[bytes]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("HOTSHELF_")}
    settings = {
        "HOTSHELF_STORE": publish(model, work),
        "HOTSHELF_CACHE": str(work / "cache"),
        "HOTSHELF_PORT": str(port),
    }
    chosen = {key: value for key, value in os.environ.items() if key.startswith("HOTSHELF_")}
    return subprocess.Popen(
        [SERVICE_PYTHON, "-m", "service"],
        cwd=ROOT,
        env={**own, **settings, **chosen},
        stdout=log,
        stderr=log,
    )


def _http_alone(work: Path, port: int, log: int) -> subprocess.Popen[bytes]:
    metrics = work / "http_alone"
    metrics.mkdir(exist_ok=True)
    return subprocess.Popen(
        [
            SERVICE_PYTHON, "-m", "gunicorn", "--config", "python:service.gunicorn_conf",
            "--bind", f"127.0.0.1:{port}", "benchmarks.serving.http_alone:create_service()",
        ],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
        stdout=log,
        stderr=log,
    )  # fmt: skip


def forms(name: str) -> Forms:
    """Return how a server takes its requests."""
    return BINARY_PROTOCOL if name == HOTSHELF else PEERS[name].forms


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and whatever it started: not every peer takes its own along."""
    started = family(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    process.kill()
    for pid in started[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _answers(process: subprocess.Popen[bytes], url: str, first: Bodies) -> bool:
    """Wait for an answer; False if the server ends before that, or takes too long."""
    request = urllib.request.Request(  # noqa: S310 - our own http URL
        url + first.form.path, (first.folder / "000.bin").read_bytes(), first.form.headers
    )
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - our own http URL
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
