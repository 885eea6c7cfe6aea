"""LitServe: HTTP in one process, a worker a core that decodes and runs batches, ZeroMQ between."""

from __future__ import annotations

import base64
import sys
from typing import Any

import litserve
from shared_model import CORES, MAX_BATCH, Model, answer, read

WAIT_S = 0.005


class Classifier(litserve.LitAPI):
    """Decodes, runs a batch, answers."""

    def setup(self, device: str) -> None:
        """Load the model in a worker."""
        del device
        self._model = Model(threads=1)

    def decode_request(self, request: dict[str, str]) -> Any:
        """Decode a request's body."""
        return read(base64.b64decode(request["image"]))

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Leave requests as they are: they may hold several images each."""
        return list(inputs)

    def predict(self, x: list[Any]) -> list[Any]:
        """Run the batch."""
        return self._model.run(x)

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Leave the answers apart."""
        return output

    def encode_response(self, output: Any) -> list[list[dict[str, Any]]]:
        """Encode a request's answer."""
        return answer(output)


if __name__ == "__main__":
    server = litserve.LitServer(
        Classifier(max_batch_size=MAX_BATCH, batch_timeout=WAIT_S),
        accelerator="cpu",
        workers_per_device=CORES,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
