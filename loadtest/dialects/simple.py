"""`POST /predict`: encoded images as they are, as a form or in JSON."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from loadtest.dialects.question import Question, Ranked, Reply, expect_count, rank_pairs, read_json
from loadtest.faults import misshapen
from loadtest.samples import Sample

TOP = 5


def ask_bytes(sample: Sample, *, version: str = "", label: str = "") -> Question:
    """One image as the body itself."""
    return _question(sample.data, (sample,), {}, version=version, label=label, alone=True)


def ask_json(samples: Sequence[Sample]) -> Question:
    """Several images as base64."""
    body = json.dumps({"images": [b64encode(each.data).decode() for each in samples]}).encode()
    return _question(body, samples, {"Content-Type": "application/json"})


def ask_form(samples: Sequence[Sample]) -> Question:
    """Images as the files of a form, as a browser sends them."""
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{n}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + each.data
        + b"\r\n"
        for n, each in enumerate(samples)
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return _question(body, samples, kind, alone=len(samples) == 1)


def _question(
    body: bytes,
    samples: Sequence[Sample],
    headers: dict[str, str],
    *,
    version: str = "",
    label: str = "",
    alone: bool = False,
) -> Question:
    def read(_: Mapping[str, str], answer: bytes) -> Reply:
        found = read_json(answer)
        each_image = [found] if alone else expect_count(found, len(samples), "lists of classes")
        return Reply(tuple(map(_rank, each_image)))

    named = {"version": version} if version else {"label": label} if label else {}
    path = f"/predict?{urlencode({'top': TOP, **named})}"
    return Question(path, body, tuple(samples), read, headers, version, label)


def _rank(classes: Any) -> Ranked:
    if not isinstance(classes, list) or len(classes) != TOP:
        raise misshapen(f"expected a list of {TOP} classes")
    if any(not isinstance(each, dict) or {*each} != {"label", "score", "wnid"} for each in classes):
        raise misshapen("a class has 'label', 'score' and 'wnid'")
    return rank_pairs([(each["label"], each["score"]) for each in classes])
