"""`/openapi.json` and `/docs`."""

from __future__ import annotations

import hashlib

import msgspec
from flask import Blueprint, Response, request

from service.web.openapi.document import openapi_document
from service.web.openapi.page import STYLE, page

# The page has one style of its own, named by its digest in `POLICY`, and nothing else.
_DIGEST = msgspec.json.encode(hashlib.sha256(STYLE.encode()).digest()).decode().strip('"')
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"


def description(model: str) -> Blueprint:
    """Return the blueprint of the service's description, made when it is first asked for."""
    blueprint = Blueprint("description", __name__)
    made: dict[str, bytes] = {}

    def once(name: str) -> bytes:
        if not made:
            document = openapi_document(model)
            made["document"] = msgspec.json.encode(document)
            made["page"] = page(document).encode()
        return made[name]

    @blueprint.get("/openapi.json")
    def document() -> Response:
        """Return the document."""
        return _cached(Response(once("document"), mimetype="application/json"))

    @blueprint.get("/docs")
    def docs() -> Response:
        """Return the page."""
        return _cached(
            Response(
                once("page"),
                mimetype="text/html",
                headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"},
            )
        )

    return blueprint


def _cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response
