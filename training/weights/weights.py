"""Weights that a run begins with: what they are, whether they fit, and taking them over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.data.layout import ClassName
from training.errors import WeightsError
from training.model import HEAD, copy_weights

_KERNEL, _BIAS = f"{HEAD}/kernel", f"{HEAD}/bias"
_FIRST = "conv1_conv/kernel"
_SHOWN = 3

Arrays = Mapping[str, NDArray[np.generic]]


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Values by the path of the variable in our model, such as `conv1_conv/kernel`.

    `origin` is what messages call them. The head's outputs are `classes`; where a file names none,
    `sorted_classes` says that they are in the order of their WordNet ids.
    """

    arrays: Arrays
    origin: str
    classes: tuple[ClassName, ...] | None = None
    sorted_classes: bool = False

    @property
    def digest(self) -> str:
        """Return the SHA-256 over names, shapes and values: the same from any kind of file."""
        seen = hashlib.sha256()
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            seen.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            seen.update(array.data)
        return seen.hexdigest()


def take_over(
    weights: Weights, model: Any, classes: tuple[ClassName, ...], *, average: Any | None = None
) -> str:
    """Give the model these weights, its moving average too; return a line on what was done.

    The head is taken over if the weights tell all of `classes` apart, output by output in their
    order here, else it stays as it was initialised. Raises WeightsError, having changed nothing,
    for weights of another network.
    """
    check_fits(weights, model)
    variables = {variable.path: variable for variable in model.variables}
    chosen = {name: array for name, array in weights.arrays.items() if name in variables}
    outputs = outputs_of(weights, classes)
    if outputs is None:
        del chosen[_KERNEL], chosen[_BIAS]
    else:
        chosen[_KERNEL] = chosen[_KERNEL][:, outputs]
        chosen[_BIAS] = chosen[_BIAS][outputs]
    for name, array in chosen.items():
        variables[name].assign(array)
    if average is not None:
        copy_weights(model, average)
    return f"initial weights: {weights.origin}; {_on_head(weights, classes, outputs)}"


def check_fits(weights: Weights, model: Any) -> None:
    """Raise WeightsError unless there is a value for each variable; heads may differ in outputs."""
    arrays, origin = weights.arrays, weights.origin
    shapes = {variable.path: tuple(variable.shape) for variable in model.variables}
    first = arrays.get(_FIRST)
    if first is not None and first.shape[:2] != shapes[_FIRST][:2]:
        theirs, ours = _size(first.shape), _size(shapes[_FIRST])
        raise WeightsError(
            f"{origin}: its first convolution is {theirs}, here it is {ours}; it is of another "
            "--stem: imagenet and stride2 have 7×7, full has 3×3"
        )
    missing = sorted(shapes.keys() - arrays.keys())
    if missing:
        raise WeightsError(
            f"{origin}: isn't our ResNet-50: {_shown(missing)} {_are(missing)} missing"
        )
    surplus = sorted(arrays.keys() - shapes.keys())
    if surplus:
        raise WeightsError(
            f"{origin}: isn't our ResNet-50: {_shown(surplus)} {_are(surplus)} too much"
        )
    for name, shape in shapes.items():
        theirs_shape = arrays[name].shape
        if name in {_KERNEL, _BIAS}:
            shape, theirs_shape = shape[:-1], theirs_shape[:-1]  # noqa: PLW2901
        if theirs_shape != shape:
            raise WeightsError(
                f"{origin}: {name} has shape {list(theirs_shape)}, expected {list(shape)}"
            )
    # Written so that one that is not a number is found too.
    broken = sorted(name for name, array in arrays.items() if not np.isfinite(array).all())
    if broken:
        raise WeightsError(f"{origin}: NaN or infinity in {_shown(broken)}")


def outputs_of(weights: Weights, classes: tuple[ClassName, ...]) -> list[int] | None:
    """Return which of the head's outputs stand for these classes; None unless all are known."""
    known = weights.classes
    if known is None:
        if not weights.sorted_classes or len(weights.arrays[_BIAS]) != len(classes):
            return None
        return _ranks([item.wnid for item in classes])
    index = {item.wnid or item.label: number for number, item in enumerate(known)}
    found = [index.get(item.wnid or item.label) for item in classes]
    return None if None in found else [number for number in found if number is not None]


def _ranks(words: Sequence[str]) -> list[int]:
    places = {word: place for place, word in enumerate(sorted(words))}
    return [places[word] for word in words]


def _on_head(weights: Weights, classes: tuple[ClassName, ...], outputs: list[int] | None) -> str:
    theirs = len(weights.arrays[_BIAS])
    if outputs is not None:
        of = f"these {len(classes)} of its {theirs}" if theirs > len(classes) else f"{theirs}"
        return f"the head is taken over for {of} classes"
    if theirs == 0:
        return "the head begins anew, as the file has none"
    if weights.classes is None:
        return f"the head begins anew, as no names of its {theirs} classes are known"
    return f"the head begins anew for {len(classes)} classes, as not all are among its {theirs}"


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}×{shape[1]}"


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
