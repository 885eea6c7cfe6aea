"""Building blocks of the document: schemas, parameters, bodies, answers, operations."""

from __future__ import annotations

from typing import Any

from service.web.answers import VERSION_HEADER

Json = dict[str, Any]

JSON = "application/json"
LONGEST_NUMBER = 10**18 - 1
LABEL_PATTERN = "^[A-Za-z][A-Za-z0-9._-]{0,63}$"

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
COUNT: Json = {"type": "integer", "minimum": 0}
NUMBER: Json = {"type": "number"}
FLAG: Json = {"type": "boolean"}
VERSION: Json = {"type": "integer", "minimum": 1, "maximum": LONGEST_NUMBER}

# What can go wrong anywhere, then where a body is read, then where the model is asked.
_ANYWHERE = {
    "401": "The token is missing or unknown.",
    "404": "There is no such model, version or label here.",
    "405": "The path has other verbs; `Allow` lists them.",
    "503": "No version is served yet, or the engine is being restarted; see `Retry-After`.",
}
_BODY = {
    "400": "The request can't be understood; the message says where and why.",
    "413": "The body is larger than allowed.",
    "415": "The body's Content-Encoding is neither gzip nor deflate.",
}
_INFERENCE = {
    "429": "Too much is waiting already; see `Retry-After`.",
    "504": "The answer wasn't there in time.",
}
_CHANGE = {
    "403": "Nobody may change anything: no admin token is set up.",
    "409": "Somebody else's change, or a rule of the shelf, is in the way.",
}


def ref(name: str) -> Json:
    """Return a reference to a schema of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Json, **more: Any) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **more}


def table(values: Json) -> Json:
    """Return the schema of an object with any keys."""
    return {"type": "object", "additionalProperties": values}


def record(optional: Json | None = None, *, closed: bool = False, **required: Json) -> Json:
    """Return the schema of an object; a closed one has no other fields."""
    schema: Json = {"type": "object", "properties": {**required, **(optional or {})}}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def or_null(schema: Json) -> Json:
    """Return a schema that takes null as well."""
    return {"anyOf": [schema, {"type": "null"}]}


def parameter(name: str, place: str, schema: Json, description: str, **more: Any) -> Json:
    """Return a parameter in the path, the query or a header."""
    found = {"name": name, "in": place, "schema": schema, "description": description, **more}
    return found | {"required": True} if place == "path" else found


def version_parameter() -> Json:
    """Return the version's number in a path."""
    return parameter("version", "path", VERSION, "Number of a version.")


def label_parameter() -> Json:
    """Return the label in a path."""
    schema = {"type": "string", "pattern": LABEL_PATTERN}
    return parameter("label", "path", schema, "Label that points at a version.")


def json_content(schema: Json, **examples: Any) -> Json:
    """Return JSON of a schema, with examples by name."""
    media: Json = {"schema": schema}
    if examples:
        media["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {JSON: media}


def body(content: Json, *, required: bool = True) -> Json:
    """Return a request's body."""
    return {"content": content, "required": required}


def answer(description: str, content: Json, *, version: bool = False, **headers: Json) -> Json:
    """Return an answer; `version` for one that names the version which gave it."""
    found: Json = {"description": description, "content": content}
    named = {VERSION_HEADER: {"$ref": "#/components/headers/ModelVersion"}} if version else {}
    if named or headers:
        found["headers"] = named | headers
    return found


def operation(
    name: str,
    summary: str,
    ok: Json,
    *,
    parameters: tuple[Json, ...] = (),
    request: Json | None = None,
    infers: bool = False,
    changes: bool = False,
    also: dict[str, Json] | None = None,
    description: str = "",
) -> Json:
    """Return an operation with the errors of its kind; `also` are further answers by status."""
    errors = _ANYWHERE | (_BODY if request else {}) | (_INFERENCE if infers else {})
    errors |= _CHANGE if changes else {}
    found: Json = {"operationId": name, "summary": summary}
    if description:
        found["description"] = description
    if parameters:
        found["parameters"] = list(parameters)
    if request:
        found["requestBody"] = request
    if changes:
        found["security"] = [{"adminToken": []}]
    elif infers:
        found["security"] = [{}, {"predictToken": []}]
    named = {status: _error(text) for status, text in sorted(errors.items())}
    found["responses"] = {"200": ok, **named, **(also or {}), "default": _error("Another error.")}
    return found


def _error(description: str) -> Json:
    return {"description": description, "content": json_content(ref("Error"))}
