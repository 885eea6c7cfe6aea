"""What the tests publish."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

from model_store import (
    Catalog,
    Event,
    Lineage,
    Manifest,
    ModelStore,
    Signature,
    TensorSpec,
    VersionEntry,
)

CLASSES = 5
SIGNATURE = Signature(
    inputs=(TensorSpec("image", "uint8", (None, 64, 64, 3)),),
    outputs=(TensorSpec("probabilities", "float32", (None, CLASSES)),),
)
LINEAGE = Lineage(
    code_version="1.2.3",
    data_digest="sha256:feed",
    mode="horovod",
    world_size=4,
    hyperparameters={"epochs": 90, "schedule": {"name": "cosine", "warmup": [1, 2.5]}},
    parent_version=None,
    started_at="2026-01-01T00:00:00Z",
    finished_at="2026-01-02T00:00:00Z",
    host="trainer",
)
METRICS = {"model.onnx": {"top1": 0.61, "top5": 0.83}}
MODEL = "resnet50"
AT = "2026-01-01T00:00:00.000000Z"


def make_folder(folder: Path, *, seed: int = 0, size: int = 1000, classes: int = CLASSES) -> Path:
    """Fill a folder that can be published; `size` bytes are in the ONNX file."""
    draw = random.Random(seed)
    variables = folder / "variables"
    variables.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(draw.randbytes(300))
    (folder / "model.onnx").write_bytes(draw.randbytes(size))
    names = [{"wnid": f"n{each:08}", "label": f"class {each}"} for each in range(classes)]
    (folder / "classes.json").write_text(json.dumps(names))
    (variables / "variables.index").write_bytes(b"")
    (variables / "variables.data-00000-of-00001").write_bytes(draw.randbytes(size // 2))
    return folder


def publish(store: ModelStore, folder: Path, model: str = MODEL) -> Manifest:
    return store.publish(model, folder, signature=SIGNATURE, metrics=METRICS, lineage=LINEAGE)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below the folder by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def entry(version: int) -> VersionEntry:
    digest = hashlib.sha256(str(version).encode()).hexdigest()
    return VersionEntry(version, digest, AT, "anna@trainer-7.example.org", 102_400_000)


def long_catalog(versions: int, events: int = 0) -> Catalog:
    moved = tuple(
        Event(AT, "anna@desk", "label", "production", number or None, number + 1)
        for number in range(events)
    )
    return Catalog(
        MODEL,
        versions=tuple(entry(version) for version in range(1, versions + 1)),
        labels={"production": events} if events else {},
        history=moved,
        next_version=versions + 1,
    )
