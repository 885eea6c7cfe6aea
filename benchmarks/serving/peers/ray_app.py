"""Ray Serve: one replica that decodes and runs batches, behind the proxy."""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray import serve
from shared_model import MAX_BATCH, Model, answer, read
from starlette.requests import Request
from starlette.responses import JSONResponse

# Nothing goes through it; more would only be reserved.
OBJECT_STORE_BYTES = 100_000_000


@serve.deployment(num_replicas=1, max_ongoing_requests=512)
class Classifier:
    """Decodes, runs a batch, answers."""

    def __init__(self) -> None:
        self._model = Model()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0)
    async def run(self, requests: list[Any]) -> list[Any]:
        """Run the batch."""
        return self._model.run(requests)

    async def __call__(self, request: Request) -> JSONResponse:
        """Answer one request."""
        return JSONResponse(answer(await self.run(read(await request.body()))))


if __name__ == "__main__":
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
    )
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
        logging_config={"enable_access_log": False},
    )
    serve.run(Classifier.bind(), route_prefix="/predict", blocking=True)
