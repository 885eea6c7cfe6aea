"""TensorFlow Serving's REST dialect: `:predict` in rows and columns, `:classify`."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.dialects.question import (
    NamesOf,
    Question,
    Ranked,
    Reply,
    expect_count,
    rank_pairs,
    rank_row,
    read_json,
)
from loadtest.faults import misshapen
from loadtest.samples import Sample

_JSON = {"Content-Type": "application/json"}


def model_path(model: str, *, version: str = "", label: str = "") -> str:
    """Return the path of a model, or of one of its versions."""
    which = f"/versions/{version}" if version else f"/labels/{label}" if label else ""
    return f"/v1/models/{model}{which}"


def ask_predict(
    model: str,
    samples: Sequence[Sample],
    classes: NamesOf,
    *,
    columns: bool = False,
    version: str = "",
    label: str = "",
) -> Question:
    """Probabilities of every class, in `instances`, or in `inputs` if `columns` is set."""
    images = [_image(each) for each in samples]
    body = json.dumps({"inputs": {"image": images}} if columns else {"instances": images})
    key = "outputs" if columns else "predictions"

    def read(_: Mapping[str, str], answer: bytes) -> Reply:
        rows, said = _read(answer, key, len(samples))
        return Reply(tuple(rank_row(row, classes(said)) for row in rows), said)

    path = f"{model_path(model, version=version, label=label)}:predict"
    return Question(path, body.encode(), tuple(samples), read, dict(_JSON), version, label)


def ask_classify(model: str, samples: Sequence[Sample]) -> Question:
    """Labels and scores, best first."""
    body = json.dumps({"examples": [{"image": _image(each)} for each in samples]})

    def read(_: Mapping[str, str], answer: bytes) -> Reply:
        results, said = _read(answer, "results", len(samples))
        return Reply(tuple(map(_rank, results)), said)

    path = f"{model_path(model)}:classify"
    return Question(path, body.encode(), tuple(samples), read, dict(_JSON))


def _image(sample: Sample) -> Any:
    if not sample.is_pixels:
        return {"b64": b64encode(sample.data).decode()}
    flat = list(sample.data)
    pixels = [flat[at : at + 3] for at in range(0, len(flat), 3)]
    return [pixels[at : at + 64] for at in range(0, len(pixels), 64)]


def _read(answer: bytes, key: str, images: int) -> tuple[list[Any], str]:
    found = read_json(answer)
    if not isinstance(found, dict) or not isinstance(found.get("model_version"), str):
        raise misshapen("expected an object with a text 'model_version'")
    return expect_count(found.get(key), images, f"rows in {key!r}"), found["model_version"]


def _rank(pairs: Any) -> Ranked:
    if not isinstance(pairs, list) or any(
        not isinstance(pair, list) or len(pair) != 2 for pair in pairs
    ):
        raise misshapen("a class is a list of label and score")
    return rank_pairs([(label, score) for label, score in pairs])
