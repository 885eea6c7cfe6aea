"""Weights out of a SavedModel of ours: an export, or a version on a shelf."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from model_store import ModelStore, StoreError, open_store
from training.backend import tf
from training.classes import read_classes
from training.errors import ShelfError, WeightsError
from training.progress import Bars
from training.publish import TransferBar
from training.signature import CLASSES, SAVED_MODEL
from training.weights.weights import Weights

VARIABLES = "variables/"
_PREFIX = "variables/variables"
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"

OpenStore = Callable[[str], ModelStore]


class VersionRef(msgspec.Struct, frozen=True):
    """One version of a model on the shelf at a URL."""

    store: str
    model: str
    version: int

    def __str__(self) -> str:
        """Return it as messages show it: `resnet50 version 3 of file:///shelf`."""
        return f"{self.model} version {self.version} of {self.store}"


def find_version(url: str, model: str, which: str, *, opener: OpenStore = open_store) -> VersionRef:
    """Return the version that a number, a label or `latest` means. Raises ShelfError."""
    try:
        store = opener(url)
        return VersionRef(store.url, model, store.catalog(model).resolve(which))
    except StoreError as error:
        raise ShelfError(str(error)) from None


@contextmanager
def pulled(
    ref: VersionRef,
    wanted: Callable[[str], bool],
    bars: Bars,
    *,
    opener: OpenStore = open_store,
) -> Iterator[Path]:
    """Have those files of the version whose names are wanted in a folder, verified, for a while.

    Raises ShelfError when they can't be read.
    """
    transfer = TransferBar(bars)
    with tempfile.TemporaryDirectory(prefix="hotshelf-") as place:
        try:
            store = opener(ref.store)
            files = [item.name for item in store.manifest(ref.model, ref.version).files]
            chosen = [name for name in files if wanted(name)]
            folder = Path(place) / str(ref.version)
            store.pull(ref.model, ref.version, folder, files=chosen, progress=transfer)
        except StoreError as error:
            raise ShelfError(str(error)) from None
        finally:
            transfer.close()
        yield folder


def read_version(ref: VersionRef, bars: Bars, *, opener: OpenStore = open_store) -> Weights:
    """Return the weights of a version. Raises ShelfError, or WeightsError when it has none."""

    def wanted(name: str) -> bool:
        return name.startswith(VARIABLES) or name in {SAVED_MODEL, CLASSES}

    with pulled(ref, wanted, bars, opener=opener) as folder:
        if not (folder / f"{_PREFIX}.index").exists():
            raise WeightsError(f"{ref}: holds no SavedModel with variables to begin with")
        return read_saved_model(folder, origin=str(ref))


def read_saved_model(folder: Path, *, origin: str | None = None) -> Weights:
    """Return the weights of the SavedModel in a folder, under the names that the model gave them.

    TensorFlow stores each variable's name beside its value; nothing of the model runs here.
    Raises WeightsError when there are none, ExportError when classes.json is damaged.
    """
    origin = origin or str(folder)
    classes = read_classes(folder) if (folder / CLASSES).exists() else None
    try:
        reader = tf.train.load_checkpoint(str(folder / _PREFIX))
        arrays = dict(_named_values(reader))
    except (OSError, ValueError, tf.errors.OpError) as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise WeightsError(f"{origin}: its variables can't be read: {lines[0]}") from None
    return Weights(arrays=arrays, origin=origin, classes=classes)


def _named_values(reader: Any) -> Iterator[tuple[str, NDArray[np.generic]]]:
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(_GRAPH))
    for node in graph.nodes:
        for attribute in node.attributes:
            if attribute.full_name:
                yield attribute.full_name, reader.get_tensor(attribute.checkpoint_key)
