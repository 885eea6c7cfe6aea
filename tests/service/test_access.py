from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.settings import Settings
from service.tokens import Tokens
from service.web.access import admin_only, who
from service.web.app import create_app
from service.web.openapi import openapi_document
from tests.service.fakes import FakeEngine

ADMIN = {"Authorization": "Bearer alice-secret-1234"}
USER = {"Authorization": "Bearer shop-secret-12345"}
ADMINS, USERS = Tokens.parse("alice:alice-secret-1234"), Tokens.parse("shop:shop-secret-12345")


def app_with(settings: Settings) -> Flask:
    app = create_app(settings, FakeEngine())

    @app.post("/changes")
    @admin_only
    def change() -> str:
        return who()

    return app


@pytest.fixture
def guarded() -> FlaskClient:
    return app_with(Settings(admin_tokens=ADMINS, predict_tokens=USERS)).test_client()


def test_an_admin_is_known_by_name(guarded: FlaskClient) -> None:
    assert guarded.post("/changes", headers=ADMIN).text == "alice"


@pytest.mark.parametrize(
    "headers",
    [{}, USER, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}],
    ids=["none", "for predictions", "basic", "empty"],
)
def test_without_an_admin_token_nothing_changes(
    guarded: FlaskClient, headers: dict[str, str]
) -> None:
    answer = guarded.post("/changes", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "admin token" in answer.get_json()["error"]


def test_without_tokens_set_up_nobody_is_an_admin_and_the_answer_says_what_to_set() -> None:
    answer = app_with(Settings()).test_client().post("/changes", headers=ADMIN)
    assert answer.status_code == 403
    assert "HOTSHELF_ADMIN_TOKENS" in answer.get_json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/predict", "/v1/models/resnet50:predict", "/v1/models/resnet50:classify"),
        *("/v1/models/resnet50/labels/production:predict", "/v2/models/resnet50/infer"),
        "/v2/models/resnet50/versions/3/infer",
    ],
)
def test_predictions_need_a_token_where_there_are_any(
    guarded: FlaskClient, png: bytes, path: str
) -> None:
    assert guarded.post(path, data=png).status_code == 401
    for allowed in (USER, ADMIN):
        assert guarded.post(path, data=png, headers=allowed).status_code in (200, 400)


def test_predictions_are_open_where_there_are_no_tokens(client: FlaskClient, png: bytes) -> None:
    assert client.post("/predict", data=png).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models/resnet50"])
def test_looking_is_open(guarded: FlaskClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_looking_into_the_repository_is_open_though_it_is_a_post(guarded: FlaskClient) -> None:
    assert guarded.post("/v2/repository/index").status_code == 200


def test_what_the_document_says_needs_a_token_for_predictions_does(guarded: FlaskClient) -> None:
    for path, verbs in openapi_document("resnet50")["paths"].items():
        place = path.format(name="resnet50", version=3, label="production")
        for verb, operation in verbs.items():
            needs = {kind for each in operation.get("security", ()) for kind in each}
            status = guarded.open(place, method=verb.upper()).status_code
            assert (status == 401) == bool(needs), f"{verb} {path} answered {status}"
