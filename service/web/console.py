"""The console: one page at `/`, its parts, and what it shows, as JSON for it alone.

Who asks for `/` without wanting a page, as KServe's client does to see whether the server lives, is
told so in JSON, and where to read on.
"""

from __future__ import annotations

import mimetypes
import time
from functools import partial
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from service import __version__
from service.errors import ServiceError
from service.facts import VersionFacts
from service.ipc.messages import EngineState, VersionStatus
from service.pulse import pulse
from service.web.answers import json_response
from service.web.engine import Engine

STATIC = Path(__file__).parent / "static"
PAGE = "index.html"
# The first one goes to clients that take anything.
KINDS = ("application/json", "text/html")
ALIVE = {"status": "alive", "documentation": "/docs", "openapi": "/openapi.json"}

# Nothing but what this service itself sends: no other host, no inline script or style, no frame.
# Images that the user chose are shown from memory (blob:).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Checked each time by its ETag, so that the parts of a page always fit each other.
    "Cache-Control": "no-cache",
}


def console(engine: Engine) -> Blueprint:
    """Return the blueprint of the console."""
    blueprint = Blueprint("console", __name__)
    parts = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()}

    @blueprint.get("/")
    def page() -> Response:
        """Return the page to browsers, and to others that the service is alive."""
        wants_page = request.accept_mimetypes.best_match(KINDS) == KINDS[-1]
        response = _part(PAGE, parts[PAGE]) if wants_page else json_response(ALIVE)
        response.vary.add("Accept")
        return response

    @blueprint.get("/console/<name>")
    def part(name: str) -> Response:
        """Return a style sheet, a script or a picture of the page."""
        if name not in parts:
            raise NotFound(f"the console has no part {name!r}")
        return _part(name, parts[name])

    @blueprint.get("/console/state")
    def state() -> Response:
        """Return all that the page shows; while the engine is away, why, and the counters."""
        answer = _engine_side(engine)
        answer["pulse"] = engine.in_thread(pulse)
        answer["at_s"] = time.time()
        answer["hotshelf"] = __version__
        return json_response(answer)

    return blueprint


def _part(name: str, content: bytes) -> Response:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = Response(content, mimetype=kind, headers=HEADERS)
    response.add_etag()
    response.make_conditional(request)
    return response


def _engine_side(engine: Engine) -> dict[str, Any]:
    try:
        state, facts = engine.state(), engine.facts()
    except ServiceError as error:
        return {"engine": False, "ready": False, "waiting": str(error), "versions": []}
    return {
        "engine": True,
        "model": state.model,
        "ready": state.default is not None,
        "default": state.default,
        "waiting": state.waiting,
        "store_problem": state.store_problem,
        "device": state.device,
        "labels": state.labels,
        "weights": {str(version): weight for version, weight in state.weights.items()},
        "queued_images": state.queued_images,
        "queue_limit": state.queue_limit,
        "versions": _versions(state, facts),
    }


def _versions(state: EngineState, facts: tuple[VersionFacts, ...]) -> list[dict[str, Any]]:
    """Return every version of the shelf or of the engine, newest first."""
    known = {each.version: each for each in facts}
    served = {each.version: each for each in state.versions}
    describe = partial(_version, state)
    return [
        describe(version, known.get(version), served.get(version))
        for version in sorted({*known, *served}, reverse=True)
    ]


def _version(
    state: EngineState, version: int, facts: VersionFacts | None, status: VersionStatus | None
) -> dict[str, Any]:
    return {
        "version": version,
        "state": "" if status is None else status.state,
        "error": "" if status is None else status.error,
        "variant": "" if status is None else status.variant,
        "labels": sorted(label for label, target in state.labels.items() if target == version),
        "facts": facts,
    }
