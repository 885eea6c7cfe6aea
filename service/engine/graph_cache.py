"""Keeps optimized graphs next to the models they were made from, so that only the first start pays.

An optimized graph is good for one version of ONNX Runtime on one kind of processor. Its weights lie
in a file of their own that is mapped into memory: loading takes milliseconds, and several sessions
share the same memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

GRAPH = "model.onnx"
DIGESTS = "digests.json"


def optimized_graph(model: Path, runtime: str, build: Callable[[Path], None]) -> Path:
    """Return the model's optimized graph, made by `build` unless an earlier start has kept it.

    `runtime` names the version of what builds it; `build` writes the graph to the path it is given,
    and what belongs to it beside that. The folder of the model holds it, so it goes when the
    version does. Where nothing can be kept, or what is kept is damaged beyond replacing, the model
    itself is returned.
    """
    home = model.parent / f".{model.name}.{runtime}-{processor()}"
    try:
        if not _is_whole(home):
            _keep(home, build)
    except OSError as error:
        log.warning("the optimized graph of %s can't be kept: %s", model, error)
        return model
    return home / GRAPH


def is_optimized(graph: Path) -> bool:
    """Whether that is what `optimized_graph` has kept, not the model itself."""
    return (graph.parent / DIGESTS).exists()


def _keep(home: Path, build: Callable[[Path], None]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    with contextlib.ExitStack() as undo:
        made = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
        undo.callback(shutil.rmtree, made, ignore_errors=True)
        build(made / GRAPH)
        (made / DIGESTS).write_bytes(msgspec.json.encode(_digests(made)))
        try:
            made.rename(home)
        except OSError:
            # Another process that serves the same version may have been faster.
            if not _is_whole(home):
                raise


def _is_whole(home: Path) -> bool:
    try:
        kept = msgspec.json.decode((home / DIGESTS).read_bytes(), type=dict[str, str])
        return kept == _digests(home)
    except (FileNotFoundError, msgspec.MsgspecError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name != DIGESTS:
            with path.open("rb") as file:
                digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def processor() -> str:
    """Return a short name of what this machine's processor can do."""
    features = platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features += "".join(sorted({line for line in lines if line.startswith(("flags", "model"))}))
    return hashlib.sha256(features.encode()).hexdigest()[:12]
