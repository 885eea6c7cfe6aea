"""The paths of TensorFlow Serving's dialect, for the one model served."""

from __future__ import annotations

from flask import Blueprint, Response, request

from service.errors import InvalidRequest, TooMuchImage
from service.reference import DEFAULT, VersionRef
from service.web.access import infers
from service.web.answers import json_response
from service.web.engine import Engine
from service.web.errors import error_response
from service.web.images import ImageReader
from service.web.routing import use_names
from service.web.served_model import check_model, find_version
from service.web.v1.classify import read_examples, results
from service.web.v1.metadata import model_metadata
from service.web.v1.predict import read_predict
from service.web.v1.status import all_versions, one_version

# A path names a version by number or label, or leaves the choice to the service.
_MODEL = "/<name:name>"
_PLACES = (_MODEL, f"{_MODEL}/versions/<version:version>", f"{_MODEL}/labels/<name:label>")


def v1_dialect(engine: Engine, reader: ImageReader, model: str) -> Blueprint:
    """Return the blueprint of TensorFlow Serving's dialect."""
    blueprint = Blueprint("v1", __name__, url_prefix="/v1/models")
    use_names(blueprint)
    # TensorFlow Serving has one status for whatever is wrong with a tensor.
    blueprint.register_error_handler(
        TooMuchImage, lambda error: error_response(error, status=InvalidRequest.status)
    )
    _add_descriptions(blueprint, engine, model)
    _add_inference(blueprint, engine, reader, model)
    return blueprint


def _add_descriptions(blueprint: Blueprint, engine: Engine, model: str) -> None:
    @blueprint.get("")
    def models() -> Response:
        """Answer KServe's V1 protocol, which lists models here."""
        return json_response({"models": [model]})

    def status(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        state, ref = engine.state(), VersionRef(version, label)
        if ref == DEFAULT:
            return json_response(all_versions(model, state))
        return json_response(one_version(find_version(state, ref)))

    def metadata(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        found = find_version(engine.state(), VersionRef(version, label)).version
        classes = len(engine.classes(found))
        return json_response(model_metadata(model, found, classes), version=found)

    for place in _PLACES:
        blueprint.add_url_rule(place, view_func=status)
        blueprint.add_url_rule(f"{place}/metadata", view_func=metadata)


def _add_inference(blueprint: Blueprint, engine: Engine, reader: ImageReader, model: str) -> None:
    def predict(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        body = request.get_data(cache=False)
        images, key = read_predict(body, reader)
        answer = engine.infer(images, VersionRef(version, label))
        content = {key: answer.probabilities.tolist(), "model_version": str(answer.version)}
        return json_response(content, version=answer.version)

    def classify(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        images = read_examples(request.get_data(cache=False), reader)
        answer = engine.infer(images, VersionRef(version, label))
        found = results(answer.probabilities, engine.classes(answer.version))
        content = {"results": found, "model_version": str(answer.version)}
        return json_response(content, version=answer.version)

    def regress(name: str, version: int | None = None, label: str = "") -> Response:  # noqa: ARG001
        check_model(name, model)
        raise InvalidRequest(
            "Expected regression signature method_name to be tensorflow/serving/regress."
            " Was: tensorflow/serving/predict"
        )

    for place in _PLACES:
        for view in (predict, classify, regress):
            rule = f"{place}:{view.__name__}"
            blueprint.add_url_rule(rule, view_func=infers(view), methods=["POST"])
