"""BentoML: one service with adaptive batching, a worker a core."""

from __future__ import annotations

import base64
from typing import Any

import bentoml
from shared_model import CORES, MAX_BATCH, Model, answer, read


@bentoml.service(
    workers=CORES,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    tracing={"sample_rate": 0.0},
    logging={"access": {"enabled": False}},
)
class Classifier:
    """Decodes, runs a batch, answers."""

    def __init__(self) -> None:
        self._model = Model(threads=1)

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    def predict(self, images: list[str]) -> list[list[dict[str, Any]]]:
        """Run the images of several requests, each in base64; return the best of each."""
        pixels = [read(base64.b64decode(each)) for each in images]
        return [top for rows in self._model.run(pixels) for top in answer(rows)]
