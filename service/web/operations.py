"""What orchestrators ask: alive, ready, metrics."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from service.errors import ServiceError
from service.exposition import exposition
from service.web.answers import json_response
from service.web.engine import Engine


def operations(engine: Engine) -> Blueprint:
    """Return the blueprint of the operational paths."""
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        """Say that this worker answers; nothing about the model."""
        return json_response({"status": "alive"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Say 200 if and only if a version is served that has passed its test inference."""
        try:
            state = engine.state()
        except ServiceError as error:
            return json_response({"ready": False, "reason": str(error)}, status=503)
        if state.default is None:
            return json_response({"ready": False, "reason": state.waiting}, status=503)
        return json_response({"ready": True, "version": state.default})

    @blueprint.get("/metrics")
    def prometheus() -> Response:
        """Return the metrics of all processes, in Prometheus' text format."""
        try:
            state = engine.state()
        except ServiceError:
            state = None
        text = engine.in_thread(lambda: exposition(state))
        return Response(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
