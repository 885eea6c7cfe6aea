"""Use the service at argv[1] through tritonclient, as Triton's users do; print findings as JSON.

argv[2] is an encoded image, argv[3] the same as raw pixels (64×64×3 bytes), argv[4] an admin token.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as triton

MODEL, OUTPUT = "resnet50", "probabilities"

address, encoded, raw, token = sys.argv[1].removeprefix("http://"), *sys.argv[2:5]
image = Path(encoded).read_bytes()
pixels = np.frombuffer(Path(raw).read_bytes(), np.uint8).reshape(1, 64, 64, 3)
client = triton.InferenceServerClient(address)
admin = {"Authorization": f"Bearer {token}"}


def pixel_input(*, binary: bool) -> triton.InferInput:
    tensor = triton.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=binary)
    return tensor


def encoded_input() -> triton.InferInput:
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([image], dtype=np.object_))
    return tensor


def output(**options: Any) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(OUTPUT, **options)]


def answer(tensor: triton.InferInput, **options: Any) -> Any:
    return client.infer(MODEL, [tensor], **options)


def probabilities(tensor: triton.InferInput, **options: Any) -> list[float]:
    found: list[float] = answer(tensor, **options).as_numpy(OUTPUT)[0].tolist()
    return found


def error_of(call: Any) -> list[str]:
    """Return status and message of the error that the client makes of the server's."""
    try:
        call()
    except triton.InferenceServerException as error:
        return [error.status(), error.message()]
    return []


binary, plain = pixel_input(binary=True), pixel_input(binary=False)
classified = answer(binary, outputs=output(class_count=3)).as_numpy(OUTPUT)
named = answer(binary, request_id="seven", parameters={"camera": "north"}).get_response()
pending = client.async_infer(MODEL, [encoded_input()])

print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(MODEL),
            "version_ready": client.is_model_ready(MODEL, "1"),
            "unknown_ready": client.is_model_ready(MODEL, "9"),
            "server": client.get_server_metadata(),
            "metadata": client.get_model_metadata(MODEL),
            "config": client.get_model_config(MODEL, "1"),
            "probabilities": {
                "binary to binary": probabilities(binary),
                "binary to JSON": probabilities(binary, outputs=output(binary_data=False)),
                "JSON to binary": probabilities(plain, outputs=output(binary_data=True)),
                "JSON to JSON": probabilities(plain, outputs=output(binary_data=False)),
                "encoded": probabilities(encoded_input()),
                "asynchronous": pending.get_result().as_numpy(OUTPUT)[0].tolist(),
                "packed with gzip": probabilities(
                    binary, request_compression_algorithm="gzip",
                    response_compression_algorithm="gzip",
                ),
                "packed with deflate": probabilities(
                    binary, request_compression_algorithm="deflate",
                    response_compression_algorithm="deflate",
                ),
            },
            "version 1": probabilities(binary, model_version="1"),
            "classified": [each.decode() for each in classified[0]],
            "id": named["id"],
            "parameters": named["parameters"],
            "statistics": client.get_inference_statistics(MODEL),
            "all_statistics": client.get_inference_statistics(),
            "index": client.get_model_repository_index(),
            "unknown_model": error_of(lambda: client.infer("other", [binary])),
            "unknown_version": error_of(lambda: client.infer(MODEL, [binary], model_version="9")),
            "no_token": error_of(lambda: client.load_model(MODEL)),
            "loaded": client.load_model(MODEL, headers=admin),
        }
    )
)  # fmt: skip
