"""The shapes of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from service.ipc.messages import ClassName, Probabilities
from service.web.lean import LeanResponse

VERSION_HEADER = "Model-Version"

_encode = msgspec.json.Encoder().encode


class Prediction(msgspec.Struct, frozen=True):
    """One line of a top-k answer."""

    label: str
    score: float
    wnid: str


def top_k(
    probabilities: Probabilities, classes: Sequence[ClassName], count: int
) -> list[Prediction]:
    """Return the `count` most probable classes of one image (float32 [classes]), best first."""
    # Of equals, the lower index comes first, so that the same image always gets the same answer.
    best = (-probabilities).argsort(kind="stable")[:count]
    return [
        Prediction(classes[index].label, score, classes[index].wnid)
        for index, score in zip(best.tolist(), probabilities[best].tolist(), strict=True)
    ]


def json_response(value: Any, *, status: int = 200, version: int | None = None) -> LeanResponse:
    """Return `value` as JSON, naming the model version that gave it."""
    response = LeanResponse(_encode(value), status=status, content_type="application/json")
    if version is not None:
        response.headers[VERSION_HEADER] = str(version)
    return response
