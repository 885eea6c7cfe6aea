"""Classify argv[2] by Hugging Face's client at the service argv[1]; print what it gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from huggingface_hub import InferenceClient

service, path = sys.argv[1], Path(sys.argv[2])


def lines(client: InferenceClient, image: object, **options: int) -> list[list[object]]:
    found = client.image_classification(image, **options)
    return [[each.label, each.score] for each in found]


base, predict = InferenceClient(model=service), InferenceClient(model=f"{service}/predict")
print(
    json.dumps(
        {
            "the service's address": lines(base, path.read_bytes()),
            "bytes": lines(predict, path.read_bytes()),
            "a path": lines(predict, str(path)),
            "the best three": lines(predict, path.read_bytes(), top_k=3),
        }
    )
)
