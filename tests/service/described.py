"""A test client that holds every answer against the service's own OpenAPI document."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from service.web.openapi import openapi_document

DOCUMENT = openapi_document("resnet50")
BASE = "urn:openapi"

# What belongs to the console alone and may change with it.
UNDESCRIBED = re.compile("/console/.*")

Registered = Registry[Any]


def described_path(rule: str) -> str:
    """Return a rule of Flask as OpenAPI writes it."""
    return re.sub("<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule)


@cache
def _registry() -> Registered:
    resource = Resource[Any].from_contents(DOCUMENT, default_specification=DRAFT202012)
    registry: Registered = Registry[Any]().with_resource(BASE, resource)
    return registry


def validate(value: Any, *pointer: str) -> None:
    """Raise unless `value` fits the schema at this place of the document."""
    escaped = "/".join(each.replace("~", "~0").replace("/", "~1") for each in pointer)
    schema = {"$ref": f"{BASE}#/{escaped}"}
    Draft202012Validator(schema, registry=_registry()).validate(value)


class DescribedClient(FlaskClient):
    """Fails the test whose request gets an answer that the document doesn't describe."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        environ = response.request.environ
        method = environ["REQUEST_METHOD"]
        adapter = self.application.url_map.bind_to_environ(environ)
        try:
            rule, _ = adapter.match(return_rule=True)
        except HTTPException:
            validate(response.get_json(), "components", "schemas", "Error")
            return response
        if method in ("HEAD", "OPTIONS") or UNDESCRIBED.fullmatch(rule.rule):
            return response
        _check(response, described_path(rule.rule), method.lower())
        return response


def _check(response: TestResponse, path: str, verb: str) -> None:
    if response.status_code == 304:
        return
    responses = DOCUMENT["paths"][path][verb]["responses"]
    status = str(response.status_code)
    described = responses.get(status) or responses["default"]
    assert response.status_code == 500 or status in responses, f"{verb} {path} answered {status}"
    kind = response.mimetype
    assert kind in described["content"], f"{verb} {path} answered {status} with {kind}"
    if kind == "application/json" and "Content-Encoding" not in response.headers:
        place = status if status in responses else "default"
        validate(
            response.get_json(),
            *("paths", path, verb, "responses", place, "content", kind, "schema"),
        )
    if "ModelVersion" in str(described.get("headers", "")):
        assert response.headers["Model-Version"].isdigit()
