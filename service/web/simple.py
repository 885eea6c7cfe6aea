"""`POST /predict`: images in, the most probable classes out.

`POST /` is the same, for clients that are given nothing but the service's address, as Hugging
Face's `InferenceClient(model=URL)` may be.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from flask import Blueprint, Response, request

from service.errors import InvalidRequest, TooMuchImage
from service.ipc.messages import Images
from service.reference import VersionRef
from service.web.access import infers
from service.web.answers import json_response, top_k
from service.web.engine import Engine
from service.web.images import ImageReader
from service.web.json_body import decode_json

DEFAULT_TOP = 5
MOST_TOP = 1000
FILE_FIELDS = ("image", "file")


class Base64(msgspec.Struct, forbid_unknown_fields=True):
    """Encoded image bytes, as TensorFlow Serving writes binary values."""

    b64: str


Encoded = str | Base64
# Each has two pairs of quotes at most.
QUOTES = 4


class Parameters(msgspec.Struct):
    """What Hugging Face's client may ask for. Scores are probabilities: softmax was applied."""

    top_k: Annotated[int, msgspec.Meta(ge=1, le=MOST_TOP)] | None = None
    function_to_apply: Literal["softmax"] | None = None


class JsonRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One image in `image`, several in `images`, either in `inputs`.

    Lists stay text until their elements have been counted.
    """

    image: Encoded | msgspec.UnsetType = msgspec.UNSET
    images: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters | None = None


EXPECTED = '{"image": "…base64…"}, {"images": [… several]} or {"inputs": … either}'

_decode = msgspec.json.Decoder(JsonRequest).decode
_decode_one = msgspec.json.Decoder(Encoded).decode
_decode_several = msgspec.json.Decoder(list[Encoded]).decode


class _Sent(msgspec.Struct):
    """What a request holds; `several` says that its answer is a list of answers."""

    images: Images
    several: bool = False
    top: int | None = None


def simple_dialect(engine: Engine, reader: ImageReader) -> Blueprint:
    """Return the blueprint of the simple dialect."""
    blueprint = Blueprint("simple", __name__)

    @blueprint.post("/predict")
    @blueprint.post("/")
    @infers
    def predict() -> Response:
        ref, top = _version(), _top()
        sent = _read(reader)
        answer = engine.infer(sent.images, ref)
        classes = engine.classes(answer.version)
        count = top or sent.top or DEFAULT_TOP
        lines = [top_k(each, classes, count) for each in answer.probabilities]
        return json_response(lines if sent.several else lines[0], version=answer.version)

    return blueprint


def _top() -> int | None:
    return _number("top", MOST_TOP)


def _version() -> VersionRef:
    number, label = _number("version", 10**18 - 1), request.args.get("label")
    if number is not None and label is not None:
        raise InvalidRequest("give either 'version' or 'label', not both")
    if label == "":
        raise InvalidRequest("label='' isn't the name of a label")
    return VersionRef(number, label or "")


def _number(name: str, most: int) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not re.fullmatch("[1-9][0-9]{0,17}", text) or int(text) > most:
        raise InvalidRequest(f"{name}={text!r} isn't a whole number from 1 to {most}")
    return int(text)


def _read(reader: ImageReader) -> _Sent:
    """Return the request's images, whichever of the three ways they came."""
    if request.mimetype == "multipart/form-data":
        return _uploaded(reader)
    body = request.get_data(cache=False)
    # No image begins with a brace, so JSON that came without its content type is taken as such.
    if request.mimetype == "application/json" or body[:1] == b"{":
        return _from_json(body, reader)
    return _Sent(reader.encoded(body))


def _uploaded(reader: ImageReader) -> _Sent:
    files = [each for field in FILE_FIELDS for each in request.files.getlist(field)]
    if not files:
        sent = ", ".join(repr(name) for name in [*request.files, *request.form]) or "none"
        raise InvalidRequest(f"the form has no file field named 'image' (fields: {sent})")
    reader.check_count(len(files))
    return _Sent(reader.batch([each.read() for each in files]), several=len(files) > 1)


def _from_json(body: bytes, reader: ImageReader) -> _Sent:
    sent = decode_json(_decode, body, expected=EXPECTED)
    given = [each for each in (sent.image, sent.images, sent.inputs) if each is not msgspec.UNSET]
    if len(given) != 1:
        raise InvalidRequest(f"expected {EXPECTED}")
    images, several = _images(sent, reader)
    top = sent.parameters.top_k if sent.parameters else None
    return _Sent(reader.base64([_text(each) for each in images]), several, top)


def _images(sent: JsonRequest, reader: ImageReader) -> tuple[list[Encoded], bool]:
    """Return the one field's images, and whether they stand in a list."""
    if isinstance(sent.images, msgspec.Raw):
        return _several(bytes(sent.images), reader, what="'images'"), True
    if isinstance(sent.inputs, msgspec.Raw):
        text = bytes(sent.inputs)
        if text.startswith(b"["):
            return _several(text, reader, what="'inputs'"), True
        return [decode_json(_decode_one, text, what="'inputs'", expected=EXPECTED)], False
    assert isinstance(sent.image, Encoded)  # noqa: S101 - one of the three is given
    return [sent.image], False


def _several(text: bytes, reader: ImageReader, *, what: str) -> list[Encoded]:
    # Counted before millions of empty ones fill the memory.
    if text.count(b'"') > QUOTES * reader.max_images:
        raise TooMuchImage(f"more than {reader.max_images} images in one request")
    return decode_json(_decode_several, text, what=what, expected=EXPECTED)


def _text(image: Encoded) -> str:
    return image.b64 if isinstance(image, Base64) else image
