"""What every peer shares, so that the comparison is one of serving: session, decoder, answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import simplejpeg

IMAGE = (64, 64, 3)
TOP = 5
CORES = len(os.sched_getaffinity(0))
MAX_BATCH = 32
WARM_UP_BATCHES = (1, 2, 8, MAX_BATCH)


class Model:
    """The model in the environment's MODEL, in one session of so many threads."""

    def __init__(self, *, threads: int = CORES) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning costs a machine that also speaks HTTP more than it gains.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )
        for size in WARM_UP_BATCHES:
            self.run([np.zeros((size, *IMAGE), np.uint8)])

    def run(self, requests: Sequence[Any]) -> list[Any]:
        """Run the images of several requests as one batch; return each request's probabilities."""
        images = requests[0] if len(requests) == 1 else np.concatenate(requests)
        (rows,) = self._session.run(None, {"image": images})
        ends = np.cumsum([len(each) for each in requests])[:-1]
        return np.split(rows, ends)


def read(body: bytes) -> Any:
    """Return a request's images, uint8 [N, 64, 64, 3]: one JPEG, or the bytes of a tensor."""
    if body.startswith(b"\xff\xd8"):
        return simplejpeg.decode_jpeg(body, colorspace="RGB")[np.newaxis]
    return np.frombuffer(body, np.uint8).reshape(-1, *IMAGE)


def answer(rows: Any) -> list[list[dict[str, Any]]]:
    """Return the most probable classes of each image, best first."""
    return [_top(row) for row in rows]


def _top(row: Any) -> list[dict[str, Any]]:
    best = np.argpartition(row, -TOP)[-TOP:]
    best = best[np.argsort(-row[best])]
    return [{"label": str(index), "score": float(row[index])} for index in best]
