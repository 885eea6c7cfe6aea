"""The paths of the Open Inference Protocol, for the one model served."""

from __future__ import annotations

from flask import Blueprint, Response, request

from service import __version__
from service.errors import InvalidRequest, ServiceError, TooMuchImage
from service.ipc.messages import ClassName
from service.reference import VersionRef
from service.statistics import VersionStatistics
from service.web.access import admin_only, infers, who
from service.web.answers import json_response
from service.web.engine import Engine
from service.web.errors import error_response
from service.web.images import ImageReader
from service.web.routing import use_names
from service.web.served_model import check_model, find_version
from service.web.v2 import metadata, repository
from service.web.v2.request import HEADER_LENGTH, read_infer
from service.web.v2.response import infer_response
from service.web.v2.statistics import model_statistics

_MODEL = "/models/<name:name>"
# Triton's clients can only name versions by number; labels are ours.
_PLACES = (_MODEL, f"{_MODEL}/versions/<version:version>", f"{_MODEL}/labels/<name:label>")


def v2_dialect(engine: Engine, reader: ImageReader, model: str) -> Blueprint:
    """Return the blueprint of the Open Inference Protocol and the extensions it names."""
    blueprint = Blueprint("v2", __name__, url_prefix="/v2")
    use_names(blueprint)
    # The protocol has one status for whatever is wrong with a tensor.
    blueprint.register_error_handler(
        TooMuchImage, lambda error: error_response(error, status=InvalidRequest.status)
    )
    _add_server(blueprint, engine)
    _add_model(blueprint, engine, reader, model)
    _add_infer(blueprint, engine, reader, model)
    _add_statistics(blueprint, engine, model)
    _add_repository(blueprint, engine, model)
    return blueprint


def _add_server(blueprint: Blueprint, engine: Engine) -> None:
    @blueprint.get("")
    def server() -> Response:
        try:
            device = engine.state().device
        except ServiceError:
            device = None
        return json_response(metadata.server_metadata(__version__, device))

    @blueprint.get("/health/live")
    def live() -> Response:
        return json_response({"live": True})

    @blueprint.get("/health/ready")
    def server_ready() -> Response:
        try:
            ready = engine.state().default is not None
        except ServiceError:
            ready = False
        # The protocol's text has `live` here too; KServe's client reads `ready`.
        return json_response({"ready": ready, "live": ready}, status=200 if ready else 503)


def _add_model(blueprint: Blueprint, engine: Engine, reader: ImageReader, model: str) -> None:
    def about(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        state = engine.state()
        found = find_version(state, VersionRef(version, label)).version
        classes = len(engine.classes(found))
        versions = metadata.available(state)
        return json_response(metadata.model_metadata(model, versions, classes), version=found)

    def ready(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        found = find_version(engine.state(), VersionRef(version, label))
        is_ready = found.state == "AVAILABLE"
        content = {"name": model, "ready": is_ready}
        return json_response(content, status=200 if is_ready else 503)

    def config(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        found = find_version(engine.state(), VersionRef(version, label)).version
        content = metadata.model_config(model, reader.max_images, len(engine.classes(found)))
        return json_response(content, version=found)

    for place in _PLACES:
        blueprint.add_url_rule(place, view_func=about)
        blueprint.add_url_rule(f"{place}/ready", view_func=ready)
        blueprint.add_url_rule(f"{place}/config", view_func=config)


def _add_infer(blueprint: Blueprint, engine: Engine, reader: ImageReader, model: str) -> None:
    @infers
    def infer(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        call = read_infer(
            request.get_data(cache=False),
            request.headers.get(HEADER_LENGTH),
            request.mimetype,
            reader,
        )
        ref = VersionRef(version, label)
        answer = engine.infer(call.images, ref)
        classes: tuple[ClassName, ...] = engine.classes(answer.version) if call.classes else ()
        return infer_response(call, model, answer, classes)

    for place in _PLACES:
        blueprint.add_url_rule(f"{place}/infer", view_func=infer, methods=["POST"])


def _add_statistics(blueprint: Blueprint, engine: Engine, model: str) -> None:
    @blueprint.get("/models/stats")
    def all_statistics() -> Response:
        return json_response(model_statistics(model, list(engine.statistics())))

    def statistics(name: str, version: int | None = None, label: str = "") -> Response:
        check_model(name, model)
        counted = list(engine.statistics())
        if version is not None or label:
            found = find_version(engine.state(), VersionRef(version, label)).version
            counted = [each for each in counted if each.version == found]
            counted = counted or [VersionStatistics(found)]
        return json_response(model_statistics(model, counted))

    for place in _PLACES:
        blueprint.add_url_rule(f"{place}/stats", view_func=statistics)


def _add_repository(blueprint: Blueprint, engine: Engine, model: str) -> None:
    @blueprint.post("/repository/index")
    def repository_index() -> Response:
        body = request.get_data(cache=False)
        return json_response(repository.index(body, model, engine.state()))

    @blueprint.post("/repository/models/<name:name>/load")
    @admin_only
    def load(name: str) -> Response:
        check_model(name, model)
        repository.load(engine, repository.read_load(request.get_data(cache=False)), by=who())
        return json_response({})

    @blueprint.post("/repository/models/<name:name>/unload")
    @admin_only
    def unload(name: str) -> Response:
        check_model(name, model)
        engine.administer(repository.read_unload(request.get_data(cache=False)), by=who())
        return json_response({})
