"""The real service, run from its own environment, and clients that hammer it."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image

from model_store import Lineage, ModelStore, Signature, TensorSpec
from tests.eventually import eventually
from tests.tiny_model import write_version

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICE_PYTHON = ROOT / ".venv" / "service" / "bin" / "python"

START_S = 30.0
POLL_S = 0.3
STOP_S = 20.0

SIGNATURE = Signature(
    name="serving_default",
    inputs=(TensorSpec(name="image", dtype="uint8", shape=(None, 64, 64, 3)),),
    outputs=(TensorSpec(name="probabilities", dtype="float32", shape=(None, 200)),),
)
LINEAGE = Lineage(
    code_version="test",
    data_digest="0" * 64,
    mode="single",
    world_size=1,
    hyperparameters={},
    parent_version=None,
    started_at="2026-01-01T00:00:00Z",
    finished_at="2026-01-01T00:01:00Z",
    host="test",
)


def publish(store: ModelStore, folder: Path, *, favours: int, truncated: bool = False) -> int:
    """Publish a tiny model that favours a class (or a broken file of it); return its number."""
    write_version(folder, favours)
    if truncated:
        model = folder / "model.onnx"
        model.write_bytes(model.read_bytes()[:-200])
    metrics = {"model.onnx": {"top1": 0.5}}
    manifest = store.publish(
        "resnet50", folder, signature=SIGNATURE, metrics=metrics, lineage=LINEAGE
    )
    return manifest.version


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 64)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Service:
    """One running `python -m service`."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def get(self, path: str) -> Any:
        return requests.get(self.url + path, timeout=10).json()

    def predict(self, image: bytes | None = None, **options: Any) -> requests.Response:
        return requests.post(f"{self.url}/predict", data=image or jpeg(), timeout=20, **options)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def states(self) -> dict[int, str]:
        versions = self.get("/v1/models/resnet50")["model_version_status"]
        return {int(each["version"]): each["state"] for each in versions}

    def wait_for_version(self, version: int, *, within_s: float = 10.0) -> None:
        eventually(
            lambda: self.predict().headers.get("Model-Version") == str(version),
            within_s=within_s,
            what=f"version {version} answers",
        )

    def processes(self) -> list[int]:
        """Return the process ids of the supervisor and all below it."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            waiting.extend(map(int, children.split()))
        return found

    def engine_pids(self) -> list[int]:
        """Return the engine's process id; none while there is no engine."""
        return [
            pid
            for pid in self.processes()
            if b"service.engine.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def engine_pid(self) -> int:
        [pid] = self.engine_pids()
        return pid

    def memory_mb(self) -> float:
        """Return the memory of all its processes, shared pages counted once (PSS)."""
        total = 0
        for pid in self.processes():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024


def settings(store_url: str, cache: Path, port: int) -> dict[str, str]:
    return {
        "HOTSHELF_STORE": store_url,
        "HOTSHELF_CACHE": str(cache),
        "HOTSHELF_PORT": str(port),
        "HOTSHELF_POLL_S": str(POLL_S),
        "HOTSHELF_WORKERS": "2",
    }


@contextlib.contextmanager
def service(
    store_url: str,
    folder: Path,
    *,
    wait: bool = True,
    python: Path | str = SERVICE_PYTHON,
    **environment: str,
) -> Iterator[Service]:
    """Run the service on a free port; stop it at the end, however the test ended."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "service.log"
    own = {key: value for key, value in os.environ.items() if not key.startswith("HOTSHELF_")}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [python, "-m", "service"],
            cwd=ROOT,
            env={**own, **settings(store_url, folder / "cache", port), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        if wait:
            try:
                eventually(
                    lambda: process.poll() is not None or running.is_ready(),
                    within_s=START_S,
                    what="the service is ready",
                )
                assert process.poll() is None, "the service ended"
            except AssertionError as error:
                raise AssertionError(f"{error}; it said:\n{running.said()}") from None
        yield running
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_favourite(answer: requests.Response, version: str) -> bool:
    """Tiny models favour the class of their number, so no answer can mix versions up unseen."""
    return bool(answer.json()[0]["label"] == f"class {version}")


@dataclass
class Crowd:
    """Clients that post one image after another and keep count of the answers.

    Whose connection breaks leaves, or tries again at once if told to `reconnect`.
    """

    url: str
    clients: int = 32
    check_class: bool = True
    reconnect: bool = False
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Crowd:
        self._threads = [
            threading.Thread(target=self._client, args=(n,)) for n in range(self.clients)
        ]
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def wait_for_answers(self, count: int, *, version: int | None = None) -> None:
        """Wait until so many more answers (of a version) have come."""
        target = self.count(version) + count
        eventually(
            lambda: self.count(version) >= target, within_s=60, what=f"{count} answers of {version}"
        )

    def count(self, version: int | None = None) -> int:
        with self._lock:
            return sum(
                n
                for (status, said), n in self.answers.items()
                if status == 200 and version in (None, int(said or 0))
            )

    def _client(self, number: int) -> None:
        image = jpeg(number)
        with requests.Session() as session:
            while not self._stop.is_set():
                try:
                    answer = session.post(f"{self.url}/predict", data=image, timeout=20)
                except requests.RequestException as error:
                    with self._lock:
                        self.failures.append(repr(error))
                    if not self.reconnect:
                        return
                    continue
                version = answer.headers.get("Model-Version", "")
                right = answer.ok and (not self.check_class or is_favourite(answer, version))
                with self._lock:
                    self.answers[answer.status_code, version] += 1
                    if not right:
                        self.failures.append(f"{answer.status_code} {version}: {answer.text}")
