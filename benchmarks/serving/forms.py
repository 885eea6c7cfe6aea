"""The form in which a server takes its requests: plain bytes, or the JSON that it insists on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

SIDE = 64
BULK_IMAGES = 16
BULK_SHAPE = (BULK_IMAGES, SIDE, SIDE, 3)
IMAGE_BYTES = SIDE * SIDE * 3


@dataclass(frozen=True)
class Form:
    """One kind of request: where it goes, its headers, and its body from the bytes it carries."""

    path: str
    headers: dict[str, str]
    body: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True)
class Forms:
    """How a server takes one JPEG, and the uint8 tensor [16, 64, 64, 3] of several images."""

    jpeg: Form
    bulk: Form


def _images(tensor: bytes) -> list[str]:
    """Return the bytes of each image of a tensor in base64."""
    starts = range(0, len(tensor), IMAGE_BYTES)
    return [_base64(tensor[start : start + IMAGE_BYTES]) for start in starts]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(path: str, jpeg: Callable[[bytes], object], bulk: Callable[[bytes], object]) -> Forms:
    headers = {"Content-Type": "application/json"}
    return Forms(
        jpeg=Form(path, headers, lambda data: json.dumps(jpeg(data)).encode()),
        bulk=Form(path, headers, lambda data: json.dumps(bulk(data)).encode()),
    )


def _inference_request(images: list[str]) -> object:
    """Return images as the Open Inference Protocol's JSON holds bytes."""
    return {
        "inputs": [
            {
                "name": "image",
                "datatype": "BYTES",
                "shape": [len(images)],
                "parameters": {"content_type": "base64"},
                "data": images,
            }
        ]
    }


_BINARY_HEADER = json.dumps(
    {
        "inputs": [
            {
                "name": "image",
                "datatype": "UINT8",
                "shape": BULK_SHAPE,
                "parameters": {"binary_data_size": BULK_IMAGES * IMAGE_BYTES},
            }
        ],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
    }
).encode()

# A JPEG as it is, a tensor as its bytes.
PLAIN = Forms(
    jpeg=Form("/predict", {"Content-Type": "image/jpeg"}),
    bulk=Form("/predict", {"Content-Type": "application/octet-stream"}),
)
# The same JPEG; tensors by the binary extension of the Open Inference Protocol.
BINARY_PROTOCOL = Forms(
    jpeg=PLAIN.jpeg,
    bulk=Form(
        "/v2/models/resnet50/infer",
        {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(_BINARY_HEADER)),
        },
        lambda tensor: _BINARY_HEADER + tensor,
    ),
)
# LitServe parses JSON and forms only; its documentation sends images in base64.
JSON_OBJECT = _json(
    "/predict",
    jpeg=lambda jpeg: {"image": _base64(jpeg)},
    bulk=lambda tensor: {"image": _base64(tensor)},
)
# BentoML batches APIs that take a list of what they work on.
JSON_LIST = _json(
    "/predict",
    jpeg=lambda jpeg: {"images": [_base64(jpeg)]},
    bulk=lambda tensor: {"images": _images(tensor)},
)
# MLServer speaks the Open Inference Protocol, over HTTP without its binary extension.
JSON_PROTOCOL = _json(
    "/v2/models/resnet50/infer",
    jpeg=lambda jpeg: _inference_request([_base64(jpeg)]),
    bulk=lambda tensor: _inference_request(_images(tensor)),
)
