"""The simple dialect's part of the document."""

from __future__ import annotations

from service.web.openapi.examples import IMAGE_B64, PREDICTIONS
from service.web.openapi.parts import (
    LABEL_PATTERN,
    TEXT,
    VERSION,
    Json,
    answer,
    array,
    body,
    json_content,
    operation,
    parameter,
    record,
    ref,
)
from service.web.simple import DEFAULT_TOP, MOST_TOP

TOP = {"type": "integer", "minimum": 1, "maximum": MOST_TOP}
NUMBER = {"type": "number", "minimum": 0, "maximum": 1}

SCHEMAS: Json = {
    "Prediction": record(label=TEXT, score=NUMBER, wnid=TEXT),
    "Predictions": array(ref("Prediction"), description="The most probable classes, best first."),
    "EncodedImage": {
        "description": "Base64 of a JPEG, PNG, WebP, GIF, BMP or TIFF; a data URL is taken too.",
        "anyOf": [TEXT, record(b64=TEXT, closed=True)],
    },
    "JsonPrediction": record(
        {
            "image": ref("EncodedImage"),
            "images": array(ref("EncodedImage"), minItems=1),
            "inputs": {
                "anyOf": [ref("EncodedImage"), array(ref("EncodedImage"), minItems=1)],
            },
            "parameters": {
                "anyOf": [
                    record(
                        {
                            "top_k": {"anyOf": [TOP, {"type": "null"}]},
                            "function_to_apply": {"enum": ["softmax", None]},
                        }
                    ),
                    {"type": "null"},
                ]
            },
        },
        closed=True,
    )
    | {
        "oneOf": [{"required": [name]} for name in ("image", "images", "inputs")],
        "description": "One image, several, or either in `inputs` as Hugging Face's client sends.",
    },
}

_CHOICES = (
    parameter("top", "query", TOP | {"default": DEFAULT_TOP}, "How many classes to return."),
    parameter("version", "query", VERSION, "Number of the version to ask."),
    parameter(
        "label",
        "query",
        {"type": "string", "pattern": LABEL_PATTERN},
        "Label of the version to ask, in place of its number.",
    ),
)
_FORM = record(
    {"image": array({"contentMediaType": "application/octet-stream"}, minItems=1)},
)


def simple_paths() -> Json:
    """Return the paths."""
    return {"/predict": {"post": _predict("predict")}, "/": {"post": _predict("predict_at_root")}}


def _predict(name: str) -> Json:
    content = {
        "image/*": {"schema": {}},
        "application/octet-stream": {"schema": {}},
        "multipart/form-data": {"schema": _FORM},
        **json_content(
            ref("JsonPrediction"),
            one={"image": IMAGE_B64},
            several={"images": [IMAGE_B64, IMAGE_B64]},
            hugging_face={"inputs": IMAGE_B64, "parameters": {"top_k": 3}},
        ),
    }
    several = array(ref("Predictions"))
    found = json_content({"anyOf": [ref("Predictions"), several]}, one=PREDICTIONS)
    return operation(
        name,
        "Classify an image, or several",
        answer("The most probable classes, best first.", found, version=True),
        parameters=_CHOICES,
        request=body(content),
        infers=True,
        description=(
            "One image as the body itself, as a file of a form, or as base64 in JSON. Several files"
            " or a list in JSON are answered by a list of answers in their order."
        ),
    ) | {"tags": ["simple"]}
