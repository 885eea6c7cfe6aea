"""Mosec: HTTP in Rust, one Python worker that decodes and runs batches."""

from __future__ import annotations

import json
from typing import Any

from mosec import Runtime, Server, Worker
from shared_model import MAX_BATCH, Model, answer, read

# Mosec waits at least a millisecond for company.
WAIT_MS = 1


class Classifier(Worker):
    """Decodes, runs a batch, answers."""

    def __init__(self) -> None:
        super().__init__()
        self._model = Model()

    def deserialize(self, data: bytes) -> Any:
        """Decode a request's body."""
        return read(data)

    def serialize(self, data: Any) -> bytes:
        """Encode its answer."""
        return json.dumps(data).encode()

    def forward(self, data: list[Any]) -> list[Any]:
        """Run the batch."""
        return [answer(rows) for rows in self._model.run(data)]


if __name__ == "__main__":
    server = Server()
    worker = Runtime(Classifier, num=1, max_batch_size=MAX_BATCH, max_wait_time=WAIT_MS, timeout=60)
    server.register_runtime({"/predict": [worker]})
    server.run()
