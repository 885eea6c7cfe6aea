"""The shelf: versions of models in a local folder or in Azure Blob Storage.

A store is opened by its URL; nothing is read or written before it is asked for something.

>>> import json
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from model_store import Lineage, Signature, TensorSpec, VersionCache, open_store
>>> home = TemporaryDirectory()
>>> here = Path(home.name)
>>> store = open_store(f"file://{here}/shelf")
>>> store.catalog("resnet50").latest is None
True

Publish a folder: it appears under the next number, whole.

>>> (here / "mine").mkdir()
>>> _ = (here / "mine" / "model.onnx").write_bytes(b"an ONNX model")
>>> _ = (here / "mine" / "classes.json").write_text(json.dumps([{"wnid": "n1", "label": "cat"}]))
>>> manifest = store.publish(
...     "resnet50",
...     here / "mine",
...     signature=Signature(
...         inputs=(TensorSpec("image", "uint8", (None, 64, 64, 3)),),
...         outputs=(TensorSpec("probabilities", "float32", (None, 1)),),
...     ),
...     metrics={"model.onnx": {"top1": 0.61}},
...     lineage=Lineage(
...         code_version="1.2.3",
...         data_digest="unknown",
...         mode="single",
...         world_size=1,
...         hyperparameters={"epochs": 8},
...         started_at="2026-01-01T00:00:00Z",
...         finished_at="2026-01-01T08:00:00Z",
...         host="trainer",
...     ),
... )
>>> manifest.version, manifest.find("model.onnx").size
(1, 13)

Point a label at it. `seen` is the catalog that the decision was made on.

>>> catalog = store.catalog("resnet50")
>>> store.label("resnet50", "production", catalog.latest.version, seen=catalog).labels
{'production': 1}

Poll: one conditional request, and the very catalog that is known where nothing has changed.

>>> catalog = store.catalog("resnet50")
>>> store.catalog("resnet50", known=catalog) is catalog
True

Pull: verified, whole or not at all. A cache does that once and lends the folder.

>>> pulled = store.pull("resnet50", 1, here / "pulled", files=["model.onnx"])
>>> sorted(path.name for path in pulled.iterdir())
['manifest.json', 'model.onnx']
>>> cache = VersionCache(here / "cache", limit_bytes=2_000_000_000)
>>> folder = cache.fetch(store, "resnet50", 1)
>>> (folder / "model.onnx").read_bytes()
b'an ONNX model'
>>> cache.release(folder)

Whatever goes wrong is a StoreError.

>>> store.pull("resnet50", 2, here / "pulled")
Traceback (most recent call last):
model_store.errors.NotFound: resnet50 has no version 2; it has 1
>>> store.close()
>>> home.cleanup()
"""

from model_store.cache import VersionCache
from model_store.catalog import Catalog, Event, VersionEntry
from model_store.errors import (
    Conflict,
    Corrupt,
    Denied,
    InvalidName,
    InvalidStoreUrl,
    InvalidTraffic,
    InvalidVersion,
    NoSpace,
    NotFound,
    StoreError,
    Unreachable,
)
from model_store.garbage import Garbage, Orphan
from model_store.manifest import (
    FileEntry,
    KnownAnswers,
    Lineage,
    Manifest,
    SelfTest,
    Signature,
    TensorSpec,
)
from model_store.progress import Progress
from model_store.store import ModelStore, open_store
from model_store.verifier import Damage

__all__ = [
    "Catalog",
    "Conflict",
    "Corrupt",
    "Damage",
    "Denied",
    "Event",
    "FileEntry",
    "Garbage",
    "InvalidName",
    "InvalidStoreUrl",
    "InvalidTraffic",
    "InvalidVersion",
    "KnownAnswers",
    "Lineage",
    "Manifest",
    "ModelStore",
    "NoSpace",
    "NotFound",
    "Orphan",
    "Progress",
    "SelfTest",
    "Signature",
    "StoreError",
    "TensorSpec",
    "Unreachable",
    "VersionCache",
    "VersionEntry",
    "open_store",
]
