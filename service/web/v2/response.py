"""The answer of `infer`: probabilities or the best classes, as JSON or as binary data."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from flask import Response

from service.ipc.messages import Answer, ClassName, Probabilities
from service.web.answers import VERSION_HEADER, json_response
from service.web.served_model import OUTPUT
from service.web.v2.request import HEADER_LENGTH, InferCall
from service.web.v2.tensors import ENCODED

_encode = msgspec.json.Encoder().encode


def infer_response(
    call: InferCall, model: str, answer: Answer, classes: Sequence[ClassName]
) -> Response:
    """Return the answer in the form that the call wants; `classes` is empty if it wants none."""
    if call.classes:
        lines = best_classes(answer.probabilities, classes, call.classes)
        output = _output(ENCODED, [len(lines), len(lines[0])])
        flat = [line for lines_of_one in lines for line in lines_of_one]
    else:
        output = _output("FP32", list(answer.probabilities.shape))
        flat = []
    if call.binary:
        data = _bytes_tensor(flat) if call.classes else _float_tensor(answer.probabilities)
        output["parameters"] = {"binary_data_size": len(data)}
        return _binary(_content(call, model, answer, output), data, answer.version)
    output["data"] = flat if call.classes else answer.probabilities.ravel().tolist()
    return json_response(_content(call, model, answer, output), version=answer.version)


def best_classes(
    probabilities: Probabilities, classes: Sequence[ClassName], count: int
) -> list[list[str]]:
    """Return `value:index:label` of the `count` best classes of each image, best first."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        [f"{row[index]!s}:{index}:{classes[index].label}" for index in indices]
        for row, indices in zip(probabilities, best.tolist(), strict=True)
    ]


def _output(datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": OUTPUT, "datatype": datatype, "shape": shape}


def _content(call: InferCall, model: str, answer: Answer, output: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"model_name": model, "model_version": str(answer.version)}
    if call.id is not None:
        content["id"] = call.id
    if call.parameters:
        content["parameters"] = call.parameters
    content["outputs"] = [output]
    return content


def _float_tensor(values: Probabilities) -> bytes:
    return values.astype("<f4", copy=False).tobytes()


def _bytes_tensor(texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(each)) + each for each in encoded)


def _binary(content: dict[str, Any], data: bytes, version: int) -> Response:
    header = _encode(content)
    response = Response(header + data, mimetype="application/octet-stream")
    response.headers[HEADER_LENGTH] = str(len(header))
    response.headers[VERSION_HEADER] = str(version)
    return response
