"""A running service with two real versions, and what ONNX Runtime alone says about an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from imaging import decode_image
from model_store import open_store
from tests.eventually import eventually
from tests.system.running import Service, publish, service

ADMIN_TOKEN = "opensesame-opensesame"
CLIENTS_PYTHON = Path(__file__).parents[2] / ".venv" / "clients" / "bin" / "python"
CLIENTS = Path(__file__).parents[1] / "programs" / "clients"


@dataclass(frozen=True)
class TwoVersions:
    """Version 2 answers by default, version 1 is the one with the label `production`."""

    service: Service
    folders: dict[int, Path]

    @property
    def url(self) -> str:
        return self.service.url

    def probabilities(self, image: bytes, version: int = 2) -> NDArray[np.float32]:
        """Return what ONNX Runtime alone makes of the image's pixels, float32 [classes]."""
        session = ort.InferenceSession(self.folders[version] / "model.onnx")
        (found,) = session.run(["probabilities"], {"image": decode_image(image)[np.newaxis]})
        row: NDArray[np.float32] = found[0]
        return row


@contextlib.contextmanager
def two_versions(folder: Path) -> Iterator[TwoVersions]:
    """Publish two tiny models and serve both."""
    store = open_store(f"file://{folder / 'shelf'}")
    folders = {number: folder / f"version-{number}" for number in (1, 2)}
    for number, each in folders.items():
        publish(store, each, favours=number)
    store.label("resnet50", "production", 1)
    tokens = f"ada:{ADMIN_TOKEN}"
    with service(store.url, folder / "run", HOTSHELF_ADMIN_TOKENS=tokens) as running:
        both = {1: "AVAILABLE", 2: "AVAILABLE"}
        eventually(lambda: running.states() == both, within_s=20, what="both versions answer")
        running.wait_for_version(2)
        yield TwoVersions(running, folders)
