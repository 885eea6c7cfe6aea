"""The Open Inference Protocol's part of the document."""

from __future__ import annotations

from service.web.openapi.examples import IMAGE_B64, V2_ANSWER, V2_CLASSES
from service.web.openapi.parts import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    VERSION,
    WHOLE,
    Json,
    answer,
    array,
    body,
    json_content,
    operation,
    or_null,
    parameter,
    record,
    ref,
    table,
)
from service.web.openapi.places import at_all_places, model_parameter
from service.web.served_model import INPUT, OUTPUT
from service.web.v2.repository import STATES
from service.web.v2.request import HEADER_LENGTH

BASE = "/v2/models"
TENSORS = "application/octet-stream"

_SHAPE = array(WHOLE)
_SCALAR = {"anyOf": [TEXT, NUMBER, FLAG]}
_PARAMETERS = table(_SCALAR)
_METADATA_TENSOR = record(name=TEXT, datatype=TEXT, shape=_SHAPE)
_CONFIG_TENSOR = record({"format": TEXT}, name=TEXT, data_type=TEXT, dims=_SHAPE)
_TIMES = record(count=COUNT, ns=COUNT)
_SIZE = record({"binary_data_size": COUNT})
_WANTED = record(
    {
        "binary_data": or_null(FLAG),
        "classification": or_null({"type": "integer", "minimum": 0, "maximum": 1_000_000}),
    }
)
_TIMED = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
_STATISTICS = record(
    name=TEXT,
    version=TEXT,
    last_inference=COUNT,
    inference_count=COUNT,
    execution_count=COUNT,
    inference_stats=record(dict.fromkeys((*_TIMED, "cache_hit", "cache_miss"), _TIMES)),
    batch_stats=array(
        record(batch_size=COUNT, compute_input=_TIMES, compute_infer=_TIMES, compute_output=_TIMES)
    ),
)

SCHEMAS: Json = {
    "V2Server": record({"device": TEXT}, name=TEXT, version=TEXT, extensions=array(TEXT)),
    "V2Metadata": record(
        name=TEXT,
        versions=array(TEXT),
        platform=TEXT,
        inputs=array(_METADATA_TENSOR),
        outputs=array(_METADATA_TENSOR),
    ),
    "V2Config": record(
        name=TEXT,
        platform=TEXT,
        backend=TEXT,
        max_batch_size=COUNT,
        input=array(_CONFIG_TENSOR),
        output=array(_CONFIG_TENSOR),
    ),
    "V2Statistics": record(model_stats=array(_STATISTICS)),
    "V2Input": record(
        {
            "parameters": or_null(record({"binary_data_size": or_null(COUNT)})),
            "data": {"type": "array"},
        },
        name={"const": INPUT},
        datatype={"enum": ["UINT8", "BYTES"]},
        shape=array({"type": "integer", "minimum": 1}, minItems=1, maxItems=4),
    )
    | {
        "description": (
            "UINT8 of shape [N, 64, 64, 3]: pixels, nested or flat. BYTES of shape [N] or [N, 1]:"
            " encoded images, in JSON as base64. Binary data follows the JSON in the body, has"
            " `binary_data_size` in place of `data`, and puts 4 bytes of length before each"
            " element of BYTES."
        )
    },
    "V2Request": record(
        {
            "id": TEXT,
            "parameters": or_null(_PARAMETERS),
            "outputs": or_null(
                array(record({"parameters": or_null(_WANTED)}, name={"const": OUTPUT}), maxItems=1)
            ),
        },
        inputs=array(ref("V2Input"), minItems=1, maxItems=1),
    ),
    "V2Output": record(
        {"data": {"anyOf": [array(NUMBER), array(TEXT)]}, "parameters": _SIZE},
        name={"const": OUTPUT},
        datatype={"enum": ["FP32", "BYTES"]},
        shape=_SHAPE,
    ),
    "V2Answer": record(
        {"id": TEXT, "parameters": _PARAMETERS},
        model_name=TEXT,
        model_version=TEXT,
        outputs=array(ref("V2Output")),
    ),
    "V2Index": array(
        record(name=TEXT, version=TEXT, state={"enum": sorted(set(STATES.values()))}, reason=TEXT)
    ),
}

_ENCODED = {"name": INPUT, "datatype": "BYTES", "shape": [1], "data": [IMAGE_B64]}
_BEST = {"name": OUTPUT, "parameters": {"classification": 5}}


def v2_paths(model: str) -> Json:
    """Return the paths for the one model served."""
    return {**_server(), **_model(model), **_infer(model), **_repository(model)}


def _server() -> Json:
    live = answer("It answers.", json_content(record(live=FLAG), alive={"live": True}))
    health = json_content(record(ready=FLAG, live=FLAG))
    not_ready = {"503": answer("Not ready.", health)}
    ready = answer("Predictions are answered.", health)
    server = answer("Name, version and extensions.", json_content(ref("V2Server")))
    return {
        "/v2": {"get": _tagged(operation("v2_server", "The server", server))},
        "/v2/health/live": {"get": _tagged(operation("v2_live", "Alive?", live))},
        "/v2/health/ready": {
            "get": _tagged(operation("v2_ready", "Ready?", ready, also=not_ready))
        },
    }


def _model(model: str) -> Json:
    def about(suffix: str, parameters: tuple[Json, ...]) -> Json:
        found = answer("The tensors.", json_content(ref("V2Metadata")), version=True)
        return _tagged(operation(f"v2_model{suffix}", "The model", found, parameters=parameters))

    def ready(suffix: str, parameters: tuple[Json, ...]) -> Json:
        said = json_content(record(name=TEXT, ready=FLAG))
        not_ready = json_content({"anyOf": [record(name=TEXT, ready=FLAG), ref("Error")]})
        return _tagged(
            operation(
                f"v2_model_ready{suffix}",
                "Does it answer?",
                answer("It does.", said),
                parameters=parameters,
                also={"503": answer("It doesn't.", not_ready)},
            )
        )

    def config(suffix: str, parameters: tuple[Json, ...]) -> Json:
        found = answer("As Triton writes it.", json_content(ref("V2Config")), version=True)
        return _tagged(
            operation(f"v2_config{suffix}", "Configuration", found, parameters=parameters)
        )

    def counters(suffix: str, parameters: tuple[Json, ...]) -> Json:
        found = answer("Counts and nanoseconds.", json_content(ref("V2Statistics")))
        return _tagged(operation(f"v2_stats{suffix}", "Counters", found, parameters=parameters))

    return {
        **at_all_places(BASE, model, "", "get", about),
        **at_all_places(BASE, model, "/ready", "get", ready),
        **at_all_places(BASE, model, "/config", "get", config),
        **at_all_places(BASE, model, "/stats", "get", counters),
        f"{BASE}/stats": {"get": counters("_of_all", ())},
    }


def _infer(model: str) -> Json:
    length = {"type": "integer", "minimum": 0}
    header = parameter(
        HEADER_LENGTH, "header", length, "Length of the JSON before binary data; 0: none at all."
    )
    sent = {
        **json_content(
            ref("V2Request"),
            encoded={"id": "7", "inputs": [_ENCODED]},
            classes={"inputs": [_ENCODED], "outputs": [_BEST]},
            binary_answer={"inputs": [_ENCODED], "parameters": {"binary_data_output": True}},
        ),
        TENSORS: {"schema": {}},
        "image/*": {"schema": {}},
    }
    found = {
        **json_content(ref("V2Answer"), probabilities=V2_ANSWER, classes=V2_CLASSES),
        TENSORS: {"schema": {}},
    }
    sized = {
        HEADER_LENGTH: {"schema": length, "description": "Length of the JSON before the data."}
    }

    def infer(suffix: str, parameters: tuple[Json, ...]) -> Json:
        return _tagged(
            operation(
                f"v2_infer{suffix}",
                "Probabilities, or the best classes as value:index:label",
                answer("JSON, or JSON and binary data.", found, version=True, **sized),
                parameters=(*parameters, header),
                request=body(sent),
                infers=True,
            )
        )

    return at_all_places(BASE, model, "/infer", "post", infer)


def _repository(model: str) -> Json:
    base, name = "/v2/repository", (model_parameter(model),)
    asked = body(json_content(record({"ready": FLAG}), ready={"ready": True}), required=False)
    index = answer("Versions with their states.", json_content(ref("V2Index")))
    loaded = answer("What it has loaded is loaded.", json_content(record()))
    going = answer("It is on its way; the index shows how far.", json_content(record()))
    chosen = record({"version": VERSION, "unload_dependents": FLAG}, closed=True)
    which = record({"parameters": or_null(chosen)})
    named = json_content(which, version={"parameters": {"version": 7}})
    refused = (
        "The version can't be served, as the message says, or a rule of the shelf is in the way."
    )
    load = operation(
        "v2_load", "Load a version, or look at the store again", loaded,
        parameters=name, request=body(named, required=False), changes=True,
        also={
            "409": answer(refused, json_content(ref("Error"))),
            "504": answer("It is still loading, and goes on.", json_content(ref("Error"))),
        },
    )  # fmt: skip
    unload = operation(
        "v2_unload", "Unload a version", going, parameters=name, request=body(named), changes=True
    )
    return {
        f"{base}/index": {"post": _tagged(operation("v2_index", "Versions", index, request=asked))},
        f"{base}/models/{{name}}/load": {"post": _tagged(load)},
        f"{base}/models/{{name}}/unload": {"post": _tagged(unload)},
    }


def _tagged(found: Json) -> Json:
    return found | {"tags": ["Open Inference Protocol v2"]}
