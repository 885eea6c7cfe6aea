"""What people and orchestrators ask, as a part of the document."""

from __future__ import annotations

from service.web.openapi.parts import (
    FLAG,
    TEXT,
    VERSION,
    Json,
    answer,
    json_content,
    operation,
    record,
)

_PAGE = {"text/html": {"schema": TEXT}}


def operations_paths() -> Json:
    """Return the paths."""
    alive = answer("It does.", json_content(record(status=TEXT), alive={"status": "alive"}))
    ready = answer("Predictions are answered.", json_content(record(ready=FLAG, version=VERSION)))
    waiting = answer("Not yet; the reason.", json_content(record(ready=FLAG, reason=TEXT)))
    metrics = answer("Prometheus' text format.", {"text/plain": {"schema": TEXT}})
    document = answer("This document.", json_content({"type": "object"}))
    reads_on = record(status=TEXT, documentation=TEXT, openapi=TEXT)
    root = answer("The page, or where to read on.", _PAGE | json_content(reads_on))
    return {
        "/healthz": _get("healthz", "Does the worker answer?", alive),
        "/readyz": _get("readyz", "Are predictions answered?", ready, also={"503": waiting}),
        "/metrics": _get("metrics", "Counters of all processes", metrics),
        "/openapi.json": _get("openapi", "This document", document),
        "/docs": _get("docs", "This document as a page", answer("The page.", _PAGE)),
        "/": _get("console", "The console; that it is alive, to who asks for no HTML", root),
    }


def _get(name: str, summary: str, ok: Json, *, also: dict[str, Json] | None = None) -> Json:
    return {"get": operation(name, summary, ok, also=also) | {"tags": ["operations"]}}
