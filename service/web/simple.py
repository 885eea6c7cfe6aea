"""`POST /predict`: an image in, the most probable classes out."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from service.errors import InvalidRequest
from service.ipc.messages import Images
from service.web.answers import json_response, top_k
from service.web.engine import Engine
from service.web.images import ImageReader

DEFAULT_TOP = 5
FIELDS = ("image", "file")
JSON_FIELDS = ("image", "inputs")


def simple_dialect(engine: Engine, images: ImageReader) -> Blueprint:
    """Return the blueprint of the simple dialect."""
    blueprint = Blueprint("simple", __name__)

    @blueprint.post("/predict")
    def predict() -> Response:
        top = _top()
        answer = engine.infer(_image(images))
        classes = engine.classes(answer.version)
        return json_response(top_k(answer.probabilities[0], classes, top), version=answer.version)

    return blueprint


def _top() -> int:
    text = request.args.get("top", str(DEFAULT_TOP))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise InvalidRequest(f"top={text!r} isn't a whole number from 1 to 1000")
    return int(text)


def _image(images: ImageReader) -> Images:
    """Return the request's one image, whichever of the three ways it came."""
    if request.mimetype == "multipart/form-data":
        return images.encoded(_uploaded())
    if request.mimetype == "application/json":
        return images.base64(_from_json())
    return images.encoded(request.get_data(cache=False))


def _uploaded() -> bytes:
    for field in FIELDS:
        if field in request.files:
            content: bytes = request.files[field].read()
            return content
    sent = ", ".join(repr(name) for name in [*request.files, *request.form]) or "none"
    raise InvalidRequest(f"the form has no file field named 'image' (fields: {sent})")


def _from_json() -> Any:
    try:
        body = msgspec.json.decode(request.get_data(cache=False))
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body isn't valid JSON: {error}") from None
    for field in JSON_FIELDS:
        if isinstance(body, dict) and field in body:
            value = body[field]
            return value.get("b64") if isinstance(value, dict) else value
    raise InvalidRequest('expected {"image": "…base64…"}')
