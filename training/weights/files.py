"""Reads files of weights as Keras writes them, by the names of layers; no model is built.

- `.h5` of Keras 2 and of `model.save("….h5")`: groups named for layers, `weight_names` in order
- `.weights.h5` of Keras 3: groups numbered by class, each `vars` with the layer's name
- `.keras`: a zip that holds one of these
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from training.errors import WeightsError
from training.model import HEAD
from training.weights.keras_files import from_keras_resnet50, is_keras_resnet50
from training.weights.weights import Weights

_KERAS_ZIP_MEMBER = "model.weights.h5"
# The order in which Keras 3 numbers the variables of a layer.
_DENSE = ("kernel", "bias")
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")

Layers = dict[str, dict[str, NDArray[np.generic]]]


def read_weights_file(path: Path) -> Weights:
    """Return the weights in a file of our own model or of `keras.applications.ResNet50`.

    The latter are adapted to our model, see `training.weights.keras_files`. Raises WeightsError
    for a file that can't be read or holds another model.
    """
    try:
        layers = _read(path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise WeightsError(f"{path}: can't be read as weights of Keras: {error}") from None
    if not layers:
        raise WeightsError(f"{path}: holds no weights under Keras' names of layers")
    if is_keras_resnet50(layers):
        return from_keras_resnet50(layers, origin=str(path))
    arrays = {
        f"{layer}/{leaf}": value
        for layer, values in layers.items()
        for leaf, value in values.items()
    }
    if f"{HEAD}/kernel" not in arrays:
        raise WeightsError(
            f"{path}: neither our model nor keras.applications.ResNet50: its layers are "
            + ", ".join(list(layers)[:4])
            + " …"
        )
    return Weights(arrays=arrays, origin=str(path))


def _read(path: Path) -> Layers:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            content = io.BytesIO(archive.read(_KERAS_ZIP_MEMBER))
        with h5py.File(content, "r") as file:
            return dict(_numbered(file))
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        return dict(_named(root) if _has_names(root, "layer_names") else _numbered(file))


def _named(root: Any) -> Iterator[tuple[str, dict[str, NDArray[np.generic]]]]:
    for layer in _names(root, "layer_names"):
        group = root[layer]
        values = {
            name.rsplit("/", 1)[-1].removesuffix(":0"): np.asarray(group[name])
            for name in _names(group, "weight_names")
        }
        if values:
            yield layer, values


def _has_names(group: Any, attribute: str) -> bool:
    return attribute in group.attrs or f"{attribute}0" in group.attrs


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names, which Keras spreads over `layer_names0`, `1`, … when it is long."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [_text(name) for part in parts for name in part]


def _numbered(file: Any) -> Iterator[tuple[str, dict[str, NDArray[np.generic]]]]:
    found: list[Any] = []
    file.visititems(lambda name, item: found.append(item) if name.endswith("/vars") else None)
    for group in found:
        if "name" in group.attrs and len(group):
            arrays = [np.asarray(group[str(number)]) for number in range(len(group))]
            leaves = _NORM if len(arrays) == len(_NORM) else _DENSE
            yield _text(group.attrs["name"]), dict(zip(leaves, arrays, strict=False))


def _text(name: Any) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)
