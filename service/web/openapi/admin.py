"""Administration's part of the document."""

from __future__ import annotations

from service.web.openapi.parts import (
    COUNT,
    TEXT,
    VERSION,
    Json,
    answer,
    array,
    body,
    json_content,
    label_parameter,
    operation,
    record,
    ref,
    table,
    version_parameter,
)

_MAYBE_VERSION = {"anyOf": [VERSION, {"type": "null"}]}
_MAYBE_TEXT = {"anyOf": [TEXT, {"type": "null"}]}
_WEIGHTS = {
    "type": "object",
    "propertyNames": {"pattern": "^[0-9]+$"},
    "additionalProperties": COUNT,
}
_EVENT = record(
    {
        "label": _MAYBE_TEXT,
        "before": _MAYBE_VERSION,
        "after": _MAYBE_VERSION,
        "weights_before": _WEIGHTS,
        "weights_after": _WEIGHTS,
    },
    at=TEXT,
    by=TEXT,
    action=TEXT,
)

SCHEMAS: Json = {
    "Shelf": record(
        labels=table(VERSION), weights=_WEIGHTS, loaded=array(VERSION), unloaded=array(VERSION)
    ),
    "History": record(history=array(_EVENT)),
}


def admin_paths() -> Json:
    """Return the paths."""
    label, version = (label_parameter(),), (version_parameter(),)
    target = record({"expected": _MAYBE_VERSION}, version=VERSION, closed=True)
    back = record({"label": TEXT}, closed=True)
    weights = record(weights=_WEIGHTS, closed=True)
    return {
        "/admin": {"get": _change("admin_state", "Labels, weights, versions loaded by hand")},
        "/admin/history": {"get": _change("admin_history", "Who did what", "History")},
        "/admin/labels/{label}": {
            "put": _change(
                "admin_move_label", "Point a label at a version",
                parameters=label, request=body(json_content(target, promote={"version": 7})),
            ),
            "delete": _change("admin_remove_label", "Remove a label", parameters=label),
        },
        "/admin/rollback": {
            "post": _change(
                "admin_rollback", "Undo a label's last move",
                request=body(json_content(back, label={"label": "production"}), required=False),
            )
        },
        "/admin/weights": {
            "put": _change(
                "admin_weigh", "Share requests out among versions",
                request=body(json_content(weights, canary={"weights": {"7": 95, "8": 5}})),
            ),
            "delete": _change("admin_send_to_one", "Send all requests to the default again"),
        },
        "/admin/reload": {"post": _change("admin_reload", "Look at the store now")},
        "/admin/versions/{version}/load": {
            "post": _change("admin_load", "Load a version", parameters=version)
        },
        "/admin/versions/{version}/unload": {
            "post": _change("admin_unload", "Unload a version", parameters=version)
        },
    }  # fmt: skip


def _change(
    name: str,
    summary: str,
    schema: str = "Shelf",
    *,
    parameters: tuple[Json, ...] = (),
    request: Json | None = None,
) -> Json:
    found = answer("What the catalog says now.", json_content(ref(schema)))
    made = operation(name, summary, found, parameters=parameters, request=request, changes=True)
    return made | {"tags": ["administration"]}
