"""A SavedModel made by somebody else: what it says of itself, and whether that fits.

Only `saved_model.pb` is read here; nothing of the model runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from imaging import IMAGE_SHAPE, SIDE
from training.backend import tf
from training.errors import ExportError
from training.signature import NAME, SAVED_MODEL

# Signatures that TensorFlow adds for itself.
_INTERNAL = "__"
_SERVE = "serve"
_NEEDED_INPUT = f"needed is one input, uint8 [N, {SIDE}, {SIDE}, 3]"


class Tensor(msgspec.Struct, frozen=True):
    """None in the shape is a dimension that calls choose; a shape that is None isn't stated."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """Return it as messages show it: `x float32 [N, 224, 224, 3]`."""
        if self.shape is None:
            return f"{self.name} {self.dtype} of any shape"
        sizes = ", ".join("N" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{sizes}]"


class Signature(msgspec.Struct, frozen=True):
    """One signature of a SavedModel."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Foreign(msgspec.Struct, frozen=True):
    """The chosen signature of a SavedModel, with one input and one output that fit."""

    folder: Path
    signature: str
    input: Tensor
    output: Tensor
    tensorflow: str


def inspect(
    folder: Path, *, class_count: int, signature: str = NAME, output: str | None = None
) -> Foreign:
    """Return the SavedModel's signature and output that are asked for.

    Raises ExportError, saying what there is and what is needed, unless it turns images into
    `class_count` numbers each; without `output` it must have one output.
    """
    signatures, tensorflow = read_signatures(folder)
    where = f"{folder}: {signature}"
    try:
        chosen = signatures[signature]
    except KeyError:
        has = ", ".join(sorted(signatures)) or "none"
        raise ExportError(
            f"{folder}: has no signature {signature}; choose another with --signature: {has}"
        ) from None
    return Foreign(
        folder=folder,
        signature=signature,
        input=fitting_input(chosen.inputs, where),
        output=fitting_output(chosen.outputs, output, class_count, where),
        tensorflow=tensorflow,
    )


def read_signatures(folder: Path) -> tuple[Mapping[str, Signature], str]:
    """Return the signatures for serving by name, and the version of TensorFlow that wrote them."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / SAVED_MODEL
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ExportError(f"{path}: not a SavedModel: {error}") from None
    for graph in saved.meta_graphs:
        if _SERVE in graph.meta_info_def.tags:
            signatures = {
                name: Signature(inputs=_tensors(each.inputs), outputs=_tensors(each.outputs))
                for name, each in graph.signature_def.items()
                if not name.startswith(_INTERNAL)
            }
            return signatures, graph.meta_info_def.tensorflow_version
    raise ExportError(f"{path}: holds no graph that is tagged {_SERVE!r}")


def fitting_input(inputs: tuple[Tensor, ...], where: str) -> Tensor:
    """Return the one input; raise ExportError unless it takes uint8 [N, 64, 64, 3]."""
    if len(inputs) != 1:
        raise ExportError(f"{where} takes {_shown(inputs)}; {_NEEDED_INPUT}")
    (tensor,) = inputs
    advice = _why_not_images(tensor)
    if advice is not None:
        raise ExportError(f"{where} takes {tensor}; {_NEEDED_INPUT}: {advice}")
    return tensor


def _why_not_images(tensor: Tensor) -> str | None:
    if tensor.dtype != "uint8":
        return (
            f"how {tensor.dtype} pixels are to be scaled isn't written anywhere, so take uint8 and"
            " scale inside the graph"
        )
    if tensor.shape is None or len(tensor.shape) != 1 + len(IMAGE_SHAPE):
        return "export it with the shape of images"
    batch, *image = tensor.shape
    if batch is not None:
        return f"it takes exactly {batch} at a time, so export it with a batch of any size (None)"
    if all(size in {None, wanted} for size, wanted in zip(image, IMAGE_SHAPE, strict=True)):
        return None
    if image[0] == IMAGE_SHAPE[-1] and image[-1] != IMAGE_SHAPE[-1]:
        return "its channels come first, so transpose inside the graph"
    return "resize inside the graph"


def fitting_output(
    outputs: tuple[Tensor, ...], name: str | None, class_count: int, where: str
) -> Tensor:
    """Return the output called `name`, or the only one; it must be float32 [N, classes]."""
    if name is None and len(outputs) != 1:
        raise ExportError(f"{where} returns {_shown(outputs)}; choose one with --output")
    chosen = [tensor for tensor in outputs if name in {None, tensor.name}]
    if not chosen:
        raise ExportError(f"{where} has no output {name}; it returns {_shown(outputs)}")
    tensor = chosen[0]
    shape = tensor.shape
    if tensor.dtype != "float32" or shape is None or len(shape) != 2 or shape[0] is not None:
        raise ExportError(f"{where} returns {tensor}; needed is float32 [N, {class_count}]")
    if shape[1] not in {None, class_count}:
        raise ExportError(f"{where} tells {shape[1]} classes apart, but {class_count} are named")
    return tensor


def _tensors(infos: Mapping[str, Any]) -> tuple[Tensor, ...]:
    found = []
    for name, info in sorted(infos.items()):
        sizes = (dim.size for dim in info.tensor_shape.dim)
        shape = tuple(None if size < 0 else size for size in sizes)
        found.append(
            Tensor(
                name=name,
                dtype=tf.as_dtype(info.dtype).name if info.dtype else "no tensor",
                shape=None if info.tensor_shape.unknown_rank else shape,
            )
        )
    return tuple(found)


def _shown(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"
