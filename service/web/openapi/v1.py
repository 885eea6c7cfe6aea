"""TensorFlow Serving's part of the document."""

from __future__ import annotations

from service.web.openapi.examples import IMAGE_B64, V1_PREDICTION, V1_RESULTS, V1_STATUS
from service.web.openapi.parts import (
    FLAG,
    NUMBER,
    TEXT,
    Json,
    answer,
    array,
    body,
    json_content,
    operation,
    record,
    ref,
    table,
)
from service.web.openapi.places import at_all_places
from service.web.v1.metadata import SIGNATURE

# Without the lengths of rows and columns, which generators of test data would dwell on.
_PIXEL = array({"type": "integer", "minimum": 0, "maximum": 255})
_ROW = array(_PIXEL)
_BINARY = record(b64=TEXT, closed=True)
_NAMED = record(image={"anyOf": [_BINARY, ref("Pixels")]}, closed=True)
_INSTANCES = {
    "anyOf": [
        array(ref("Pixels"), minItems=1),
        array({"anyOf": [_BINARY, _NAMED]}, minItems=1),
    ]
}
_STATUS = record(error_code=TEXT, error_message=TEXT)
_ONE = record(
    version={"type": "string", "pattern": "^[0-9]+$"},
    state={"enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
    status=_STATUS,
)
_TENSOR = record(
    dtype=TEXT,
    tensor_shape=record(dim=array(record(size=TEXT, name=TEXT)), unknown_rank=FLAG),
    name=TEXT,
)
_SIGNATURE = record(inputs=table(_TENSOR), outputs=table(_TENSOR), method_name=TEXT)
_LABEL_AND_SCORE = array({"anyOf": [TEXT, NUMBER]}, minItems=2, maxItems=2)
_SIGNATURE_NAME = {"enum": [SIGNATURE, ""]}

SCHEMAS: Json = {
    "Pixels": array(_ROW)
    | {"description": "64 rows of 64 pixels of red, green and blue from 0 to 255."},
    "V1Status": record({"name": TEXT, "ready": FLAG}, model_version_status=array(_ONE)),
    "V1Metadata": record(
        model_spec=record(name=TEXT, signature_name=TEXT, version=TEXT),
        metadata=record(signature_def=record(signature_def=table(_SIGNATURE))),
    ),
    "V1Predict": {
        "oneOf": [
            record({"signature_name": _SIGNATURE_NAME}, instances=_INSTANCES, closed=True),
            record(
                {"signature_name": _SIGNATURE_NAME},
                inputs={"anyOf": [_INSTANCES, record(image=_INSTANCES, closed=True)]},
                closed=True,
            ),
        ]
    },
    "V1Prediction": {
        "oneOf": [
            record(predictions=array(array(NUMBER)), model_version=TEXT),
            record(outputs=array(array(NUMBER)), model_version=TEXT),
        ]
    },
    "V1Examples": record(
        {"context": {"anyOf": [_BINARY, ref("V1Example")]}, "signature_name": _SIGNATURE_NAME},
        examples=array({"anyOf": [_BINARY, ref("V1Example")]}, minItems=1),
        closed=True,
    ),
    "V1Example": record(
        {
            "image": {
                "anyOf": [
                    _BINARY,
                    ref("Pixels"),
                    array({"type": "integer", "minimum": 0, "maximum": 255}),
                ]
            }
        },
        closed=True,
    ),
    "V1Results": record(
        results=array(array(_LABEL_AND_SCORE)),
        model_version=TEXT,
    ),
}

_B64 = {"b64": IMAGE_B64}


def v1_paths(model: str) -> Json:
    """Return the paths for the one model served."""
    base = "/v1/models"

    def status(suffix: str, parameters: tuple[Json, ...]) -> Json:
        found = answer("The versions' states.", json_content(ref("V1Status"), available=V1_STATUS))
        return _tagged(operation(f"v1_status{suffix}", "States", found, parameters=parameters))

    def metadata(suffix: str, parameters: tuple[Json, ...]) -> Json:
        found = answer("The signature.", json_content(ref("V1Metadata")), version=True)
        return _tagged(operation(f"v1_metadata{suffix}", "Signature", found, parameters=parameters))

    listed = answer(
        "The models.", json_content(record(models=array(TEXT)), all={"models": [model]})
    )
    return {
        base: {"get": _tagged(operation("v1_models", "List the models, as KServe asks", listed))},
        **at_all_places(base, model, "", "get", status),
        **at_all_places(base, model, "/metadata", "get", metadata),
        **at_all_places(base, model, ":predict", "post", _predict),
        **at_all_places(base, model, ":classify", "post", _classify),
        **at_all_places(base, model, ":regress", "post", _regress),
    }


def _predict(suffix: str, parameters: tuple[Json, ...]) -> Json:
    sent = json_content(
        ref("V1Predict"),
        rows={"instances": [_B64]},
        named_rows={"instances": [{"image": _B64}, {"image": _B64}]},
        columns={"signature_name": SIGNATURE, "inputs": {"image": [_B64]}},
    )
    found = answer(
        "Each image's probabilities.",
        json_content(ref("V1Prediction"), rows=V1_PREDICTION),
        version=True,
    )
    return _tagged(
        operation(
            f"v1_predict{suffix}",
            "Probabilities of every class",
            found,
            parameters=parameters,
            request=body(sent),
            infers=True,
            description="`instances` (rows) are answered by `predictions`, `inputs` by `outputs`.",
        )
    )


def _classify(suffix: str, parameters: tuple[Json, ...]) -> Json:
    sent = json_content(
        ref("V1Examples"),
        examples={"examples": [{"image": _B64}]},
        context={"context": {"image": _B64}, "examples": [{}]},
    )
    found = answer(
        "For each example its labels and scores.",
        json_content(ref("V1Results"), best_first=V1_RESULTS),
        version=True,
    )
    return _tagged(
        operation(
            f"v1_classify{suffix}",
            "Labels and scores, best first",
            found,
            parameters=parameters,
            request=body(sent),
            infers=True,
        )
    )


def _regress(suffix: str, parameters: tuple[Json, ...]) -> Json:
    never = answer("Never: this model classifies.", json_content({"not": {}}))
    return _tagged(
        operation(
            f"v1_regress{suffix}",
            "Refused with 400, as TensorFlow Serving refuses it",
            never,
            parameters=parameters,
            request=body(json_content({})),
            infers=True,
        )
    )


def _tagged(found: Json) -> Json:
    return found | {"tags": ["TensorFlow Serving v1"]}
