"""The service's own description is true, whole, and readable without any other host.

That real answers fit it is seen in every test of views: their client is a `DescribedClient`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.settings import Settings
from service.tokens import Tokens
from service.web.app import create_app
from tests.service.described import DOCUMENT, UNDESCRIBED, DescribedClient, described_path, validate
from tests.service.fakes import FakeEngine

ADMIN = {"Authorization": "Bearer opensesame-opensesame"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def examples() -> Iterator[Any]:
    for path, verb, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        for name, example in content.get("application/json", {}).get("examples", {}).items():
            yield pytest.param(path, verb, example["value"], id=f"{verb} {path} {name}")


def test_every_route_is_described_and_nothing_else_is(app: Flask) -> None:
    routes = {
        (described_path(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not UNDESCRIBED.fullmatch(rule.rule)
    }
    assert {(path, verb) for path, verb, _ in operations()} == routes


def test_parameters_of_paths_are_those_in_the_paths() -> None:
    for path, _, operation in operations():
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall("{(.+?)}", path)), path


def test_operations_have_names_of_their_own_and_a_described_tag() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {each["name"] for each in DOCUMENT["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == tags


@pytest.fixture
def admin(engine: FakeEngine) -> FlaskClient:
    tokens = Tokens.parse("ada:opensesame-opensesame")
    app = create_app(Settings(admin_tokens=tokens), engine)
    app.test_client_class = DescribedClient
    return app.test_client()


@pytest.mark.parametrize(("path", "verb", "example"), list(examples()))
def test_every_example_fits_its_schema_and_works(
    admin: FlaskClient, path: str, verb: str, example: Any
) -> None:
    place = ("requestBody", "content", "application/json", "schema")
    validate(example, "paths", path, verb, *place)
    real = path.format(name="resnet50", version=2, label="production")
    response = admin.open(real, method=verb.upper(), json=example, headers=ADMIN)
    assert response.status_code == 200, response.get_json()


def test_examples_of_answers_fit_their_schemas() -> None:
    checked = 0
    for path, verb, operation in operations():
        media = operation["responses"]["200"]["content"].get("application/json", {})
        for example in media.get("examples", {}).values():
            place = ("responses", "200", "content", "application/json", "schema")
            validate(example["value"], "paths", path, verb, *place)
            checked += 1
    assert checked > 10


def test_the_document_is_served_and_kept_by_its_etag(client: FlaskClient) -> None:
    response = client.get("/openapi.json")
    assert response.get_json() == DOCUMENT
    etag = {"If-None-Match": response.headers["ETag"]}
    assert client.get("/openapi.json", headers=etag).status_code == 304


class Links(HTMLParser):
    """Collects what a page fetches or points at, and the anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.pointed_at: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.pointed_at.append(found["href"] or "")
        self.fetched += [found[name] or "" for name in ("src", "action", "data") if name in found]
        self.fetched += [found["href"] or ""] if tag == "link" else []
        self.anchors.add(found.get("id") or "")


def test_the_page_shows_every_operation_and_fetches_nothing(client: FlaskClient) -> None:
    response = client.get("/docs")
    links = Links()
    links.feed(response.get_data(as_text=True))
    assert links.fetched == []
    assert {operation["operationId"] for _, _, operation in operations()} <= links.anchors
    for target in links.pointed_at:
        assert target == "openapi.json" or target.removeprefix("#") in links.anchors
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
