"""Makes answers wrong in every dialect: well-formed, but naming another class first."""

from __future__ import annotations

import json
import struct
from typing import Any

OTHER = "class 150"


def spoil(head: bytes, body: bytes) -> bytes:
    """Return the body of an answer with another class at the top of its first image."""
    length = _header(head, b"inference-header-content-length")
    if length:
        floats = list(struct.unpack(f"<{(len(body) - length) // 4}f", body[length:]))
        floats[:200] = _swapped(floats[:200])
        return body[:length] + struct.pack(f"<{len(floats)}f", *floats)
    return json.dumps(_spoiled(json.loads(body))).encode()


def _spoiled(answer: Any) -> Any:
    if isinstance(answer, list):
        first = answer[0] if isinstance(answer[0], list) else answer
        first[0]["label"] = OTHER
    elif "outputs" in answer and isinstance(answer["outputs"][0], dict):
        data = answer["outputs"][0]["data"]
        if isinstance(data[0], str):
            data[0] = data[0].rpartition(":")[0] + ":" + OTHER
        else:
            data[:200] = _swapped(data[:200])
    elif "results" in answer:
        answer["results"][0][0][0] = OTHER
    else:
        rows = answer.get("predictions") or answer["outputs"]
        rows[0] = _swapped(rows[0])
    return answer


def _swapped(row: list[float]) -> list[float]:
    top = row.index(max(row))
    row[top], row[top - 1] = row[top - 1], row[top]
    return row


def _header(head: bytes, name: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return int(line.partition(b":")[2])
    return 0
