"""The whole document."""

from __future__ import annotations

from service import __version__
from service.web.answers import VERSION_HEADER
from service.web.openapi import admin, operations, simple, v1, v2
from service.web.openapi.parts import TEXT, Json, record

DESCRIPTION = f"""\
Classifies images of any size and format by the newest versions of one model. The dialects give the
same probabilities; choose the one that your client speaks. Each answer names the version that gave
it in the header `{VERSION_HEADER}`.

A request may say how many seconds its answer may take: `?timeout=2.5`, the header `Request-Timeout`
or `Prefer: wait=2.5`; the Open Inference Protocol's parameter `timeout` is in microseconds.
"""
_TAGS = {
    "simple": "Images in, the most probable classes out.",
    "TensorFlow Serving v1": "For clients of TensorFlow Serving and of KServe's V1 protocol.",
    "Open Inference Protocol v2": "For clients of KServe, Triton and MLServer.",
    "operations": "For people and orchestrators.",
    "administration": "For holders of an admin token; changes reach every service of the shelf.",
}


def openapi_document(model: str) -> Json:
    """Return the service's description in OpenAPI 3.1 for the one model it serves."""
    paths: Json = {}
    for part in (
        simple.simple_paths(), v1.v1_paths(model), v2.v2_paths(model),
        operations.operations_paths(), admin.admin_paths(),
    ):  # fmt: skip
        for path, verbs in part.items():
            paths.setdefault(path, {}).update(verbs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hotshelf",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": _components(),
    }


def _components() -> Json:
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "schemas": {
            "Error": record(error=TEXT | {"description": "What was wrong, where, what to do."}),
            **simple.SCHEMAS,
            **v1.SCHEMAS,
            **v2.SCHEMAS,
            **admin.SCHEMAS,
        },
        "headers": {
            "ModelVersion": {
                "description": "Number of the version that gave the answer.",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
        "securitySchemes": {
            "adminToken": bearer | {"description": "One of HOTSHELF_ADMIN_TOKENS."},
            "predictToken": bearer | {"description": "One of HOTSHELF_PREDICT_TOKENS, if any."},
        },
    }
