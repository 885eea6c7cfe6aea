"""The peers: how each is started, and how it wants its requests.

Each is set up as its own documentation advises, in the fastest of a few sensible settings, but
where said. What was tried is said beside it: requests/s in single measurements of 4 s at 32
connections, with the int8 model, on two cores of an AMD EPYC shared with others (2026-11-21). The
programs are in `peers/` and share everything but the serving (`peers/shared_model.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.forms import JSON_LIST, JSON_OBJECT, JSON_PROTOCOL, PLAIN, Forms

PROGRAMS = Path(__file__).with_name("peers")
ENVIRONMENTS = PROGRAMS.parents[2] / ".cache" / "peers"


@dataclass(frozen=True)
class Peer:
    """How a peer is started in its environment: a command, and settings beside MODEL.

    Both may name {port}, {cores} and {work}, a folder for what it leaves behind.
    """

    command: tuple[str, ...]
    forms: Forms = PLAIN
    settings: dict[str, str] = field(default_factory=dict)


PEERS = {
    # Windows of 1, 5 and 20 ms did 829, 756 and 868 requests/s, two workers of one thread 501. Not
    # the fastest: a lone client waits as long as the window is.
    "mosec": Peer(("bin/python", "mosec_app.py", "--address", "127.0.0.1", "--port", "{port}")),
    # One worker of two threads did 765 requests/s, 711 with threads that spin; two of one thread
    # 820. Not the fastest: a lone client's images would run on one core.
    "fastapi": Peer(("bin/uvicorn", "--port", "{port}", "--no-access-log", "fastapi_app:app")),
    # No batches, so a process a core and a session of one thread in each. Two threads a worker did
    # 523 requests/s; 8: 415; 32: 509; one worker of 4 or 8 threads: 420 and 403.
    "flask": Peer(
        (
            "bin/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{cores}",
            "--worker-class", "gthread", "--threads", "2", "--no-control-socket", "flask_app:app",
        ),
    ),
    # Two workers of one thread did 570 requests/s; one worker of two threads 516, 538 and 469 with
    # windows of 1, 5 and 20 ms, 541 with two HTTP processes, 561 without ZeroMQ.
    "litserve": Peer(("bin/python", "litserve_app.py", "{port}"), forms=JSON_OBJECT),
    # Without a process of its own for the model and a window of 5 ms it did 642 requests/s; with
    # one 634, and 614 with a window of 20 ms. It has a gRPC port too, which nobody uses.
    "mlserver": Peer(
        ("bin/mlserver", "start", "mlserver_models"),
        forms=JSON_PROTOCOL,
        settings={"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "0"},
    ),
    # Two workers of one thread did 581 requests/s, one of two threads 439. With a service for
    # HTTP before the batching one, which could take plain bytes, 7 to 16% of requests failed.
    "bentoml": Peer(
        (
            "bin/bentoml", "serve", "--host", "127.0.0.1", "--port", "{port}",
            "bentoml_app:Classifier",
        ),
        forms=JSON_LIST,
        settings={"BENTOML_HOME": "{work}/bentoml", "BENTOML_DO_NOT_TRACK": "True"},
    ),
    # One replica and no window did 237 requests/s; 211 with a window of 10 ms, and 237 with that
    # and without the settings for throughput.
    "ray": Peer(
        ("bin/python", "ray_app.py", "{port}"),
        settings={
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": "{work}",
        },
    ),
}  # fmt: skip


def start_peer(name: str, model: Path, work: Path, port: int, log: int) -> subprocess.Popen[bytes]:
    """Start a peer on a port of this machine, its output going to an open file."""
    peer = PEERS[name]
    folder = environment(name)
    places = {"port": port, "cores": len(os.sched_getaffinity(0)), "work": work}
    program, *arguments = (each.format(**places) for each in peer.command)
    settings = {key: value.format(**places) for key, value in peer.settings.items()}
    return subprocess.Popen(
        [folder / program, *arguments],
        cwd=PROGRAMS,
        env={
            **os.environ,
            "MODEL": str(model.resolve()),
            "PYTHONPATH": str(PROGRAMS),
            # For what they start themselves.
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            **settings,
        },
        stdout=log,
        stderr=log,
    )


def environment(name: str) -> Path:
    """Return the peer's virtual environment, made from its pinned requirements where it isn't."""
    folder = ENVIRONMENTS / name
    requirements = PROGRAMS / f"{name}.txt"
    done = folder / "installed.txt"
    if not done.exists() or done.read_bytes() != requirements.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [folder / "bin" / "pip", "install", "--quiet", "-r", requirements], check=True
        )
        done.write_bytes(requirements.read_bytes())
    return folder
