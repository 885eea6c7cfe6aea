"""The Open Inference Protocol v2: tensors in JSON or binary, and classes."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.dialects.question import (
    NamesOf,
    Question,
    Ranked,
    Reply,
    rank_pairs,
    rank_row,
    read_json,
)
from loadtest.faults import misshapen
from loadtest.samples import Sample

_LENGTH = "Inference-Header-Content-Length"
_CLASSES = 3


def infer_path(model: str, version: str = "") -> str:
    """Return the path that infers with a model, or with one of its versions."""
    return f"/v2/models/{model}{f'/versions/{version}' if version else ''}/infer"


def ask_json(
    model: str, samples: Sequence[Sample], classes: NamesOf, *, version: str = ""
) -> Question:
    """Encoded images as base64 in JSON, answered by probabilities in JSON."""
    body = json.dumps({"inputs": [_bytes_input(samples)]}).encode()

    def read(_: Mapping[str, str], answer: bytes) -> Reply:
        output, said = _output(read_json(answer))
        return Reply(_rank_all(output.get("data"), output, len(samples), classes(said)), said)

    headers = {"Content-Type": "application/json"}
    return Question(infer_path(model, version), body, tuple(samples), read, headers, version)


def ask_classes(
    model: str, samples: Sequence[Sample], *, top: int = _CLASSES, version: str = ""
) -> Question:
    """The best classes, as `value:index:label`."""
    wanted = {"name": "probabilities", "parameters": {"classification": top}}
    body = json.dumps({"inputs": [_bytes_input(samples)], "outputs": [wanted]}).encode()

    def read(_: Mapping[str, str], answer: bytes) -> Reply:
        output, said = _output(read_json(answer))
        texts = output.get("data")
        if not isinstance(texts, list) or len(texts) % len(samples) or not texts:
            raise misshapen(f"expected as many classes for each of {len(samples)} images")
        each = len(texts) // len(samples)
        rows = (texts[at : at + each] for at in range(0, len(texts), each))
        return Reply(tuple(rank_pairs(list(map(_pair, row))) for row in rows), said)

    headers = {"Content-Type": "application/json"}
    return Question(infer_path(model, version), body, tuple(samples), read, headers, version)


def ask_binary(
    model: str, samples: Sequence[Sample], classes: NamesOf, *, version: str = ""
) -> Question:
    """64×64 pixels as they are, answered by float32 as they are."""
    pixels = b"".join(each.data for each in samples)
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [len(samples), 64, 64, 3],
        "parameters": {"binary_data_size": len(pixels)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()

    def read(headers: Mapping[str, str], answer: bytes) -> Reply:
        length = headers.get(_LENGTH.lower(), "")
        if not length.isdigit():
            raise misshapen(f"a binary answer has a number in {_LENGTH}")
        output, said = _output(read_json(answer[: int(length)]))
        floats = _floats(answer[int(length) :])
        return Reply(_rank_all(floats, output, len(samples), classes(said)), said)

    headers = {_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    path = infer_path(model, version)
    return Question(path, head + pixels, tuple(samples), read, headers, version)


def read_class_names(answer: bytes) -> list[str]:
    """Return all labels by index from an answer to `ask_classes` that asked for every class."""
    output, _ = _output(read_json(answer))
    found = [text.split(":", 2) for text in output["data"]]
    return [label for _, label in sorted((int(index), label) for _, index, label in found)]


def _bytes_input(samples: Sequence[Sample]) -> dict[str, Any]:
    data = [b64encode(each.data).decode() for each in samples]
    return {"name": "image", "datatype": "BYTES", "shape": [len(samples)], "data": data}


def _output(found: Any) -> tuple[dict[str, Any], str]:
    outputs = found.get("outputs") if isinstance(found, dict) else None
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise misshapen("expected one object in 'outputs'")
    if not isinstance(found.get("model_version"), str):
        raise misshapen("expected a text 'model_version'")
    return outputs[0], found["model_version"]


def _rank_all(
    flat: Any, output: Mapping[str, Any], images: int, classes: Sequence[str]
) -> tuple[Ranked, ...]:
    shape = [images, len(classes)]
    if output.get("shape") != shape or output.get("datatype") != "FP32":
        raise misshapen(f"expected FP32 of shape {shape}")
    if not isinstance(flat, list) or len(flat) != images * len(classes):
        raise misshapen(f"expected {images * len(classes)} numbers")
    width = len(classes)
    rows = (flat[at : at + width] for at in range(0, len(flat), width))
    return tuple(rank_row(row, classes) for row in rows)


def _floats(data: bytes) -> list[float]:
    if len(data) % 4:
        raise misshapen("float32 take 4 bytes each")
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def _pair(text: Any) -> tuple[str, float]:
    try:
        value, _, label = text.split(":", 2)
        return label, float(value)
    except (AttributeError, ValueError) as error:
        raise misshapen(f"a class is 'value:index:label', not {text!r}") from error
