"""MLServer: a custom runtime with adaptive batching, in the server's own process.

`mlserver_models/` holds the settings of the server and of its one model.
"""

from __future__ import annotations

import json

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from shared_model import Model, answer, read


class Classifier(MLModel):
    """Decodes, runs a batch, answers."""

    async def load(self) -> bool:
        """Load the model before the first request."""
        self._model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run a batch, which comes as one request; answer each image with JSON."""
        images = [read(data) for data in Base64Codec.decode_input(payload.inputs[0])]
        best = [json.dumps(top) for rows in self._model.run(images) for top in answer(rows)]
        output = StringCodec.encode_output("best", best)
        return InferenceResponse(model_name=self.name, outputs=[output])
