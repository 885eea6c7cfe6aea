"""TensorFlow Serving's REST API, version 1: model status and `:predict`."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from service.errors import InvalidRequest, NotReady, VersionNotFound
from service.ipc.messages import EngineState, VersionStatus
from service.reference import DEFAULT, VersionRef
from service.web.answers import json_response
from service.web.engine import Engine
from service.web.images import ImageReader

SIGNATURE = "serving_default"


class ModelNotFound(VersionNotFound):
    """The path names a model that this service doesn't serve."""

    code = "model_not_found"


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `:predict`: rows in `instances` or columns in `inputs`, never both."""

    instances: Any = msgspec.UNSET
    inputs: Any = msgspec.UNSET
    signature_name: str = SIGNATURE


_decode = msgspec.json.Decoder(PredictRequest).decode


def v1_dialect(engine: Engine, images: ImageReader, model: str) -> Blueprint:
    """Return the blueprint of TensorFlow Serving's dialect for the one model served."""
    blueprint = Blueprint("v1", __name__, url_prefix="/v1/models")

    def check(name: str) -> None:
        if name != model:
            raise ModelNotFound(f"no model {name!r} here; this service serves {model!r}")

    @blueprint.get("/<name>")
    def status(name: str) -> Response:
        check(name)
        state = engine.state()
        # KServe's V1 protocol asks the same path for `name` and `ready`.
        return json_response(
            {
                "model_version_status": [_status(each) for each in state.versions],
                "name": model,
                "ready": state.default is not None,
            }
        )

    @blueprint.get("/<name>/versions/<int:version>")
    def version_status(name: str, version: int) -> Response:
        check(name)
        found = _find(engine.state(), version)
        return json_response({"model_version_status": [_status(found)]})

    @blueprint.post("/<name>:predict")
    def predict(name: str) -> Response:
        check(name)
        return _predict(engine, images, DEFAULT)

    @blueprint.post("/<name>/versions/<int:version>:predict")
    def predict_version(name: str, version: int) -> Response:
        check(name)
        return _predict(engine, images, VersionRef(version))

    return blueprint


def _predict(engine: Engine, images: ImageReader, ref: VersionRef) -> Response:
    body = _parse()
    by_row = body.instances is not msgspec.UNSET
    answer = engine.infer(images.instances(_rows(body) if by_row else _columns(body)), ref)
    return json_response(
        {
            "predictions" if by_row else "outputs": answer.probabilities.tolist(),
            "model_version": str(answer.version),
        },
        version=answer.version,
    )


def _parse() -> PredictRequest:
    try:
        body = _decode(request.get_data(cache=False))
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body isn't a valid request: {error}") from None
    if (body.instances is msgspec.UNSET) == (body.inputs is msgspec.UNSET):
        raise InvalidRequest("give either 'instances' (rows) or 'inputs' (columns)")
    if body.signature_name != SIGNATURE:
        raise InvalidRequest(f"no signature {body.signature_name!r}; there is {SIGNATURE!r}")
    return body


def _rows(body: PredictRequest) -> Any:
    """Return the images of `instances`, each bare or as {"image": …}."""
    if not isinstance(body.instances, list):
        raise InvalidRequest("'instances' is a list of images")
    return [
        each["image"] if isinstance(each, dict) and set(each) == {"image"} else each
        for each in body.instances
    ]


def _columns(body: PredictRequest) -> Any:
    """Return the images of `inputs`, bare or as {"image": […]}."""
    if isinstance(body.inputs, dict) and set(body.inputs) == {"image"}:
        return body.inputs["image"]
    return body.inputs


def _find(state: EngineState, version: int) -> VersionStatus:
    for each in state.versions:
        if each.version == version:
            return each
    if not state.versions:
        raise NotReady(f"no version is known yet: {state.waiting}")
    known = ", ".join(str(each.version) for each in state.versions)
    raise VersionNotFound(f"version {version} isn't being served; known: {known}")


def _status(version: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(version.version),
        "state": version.state,
        "status": {
            "error_code": "UNKNOWN" if version.error else "OK",
            "error_message": version.error,
        },
    }
