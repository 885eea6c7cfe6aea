"""The administrative paths: what they ask of the engine and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from service.changes import (
    Change,
    LoadVersion,
    MoveLabel,
    Reload,
    RollBack,
    ShareOut,
    UnloadVersion,
)
from service.errors import ChangeConflict, NotOnShelf, ServiceError, StoreUnavailable
from service.settings import Settings
from service.tokens import Tokens
from service.web.app import create_app
from tests.service.fakes import FakeEngine

TOKEN = {"Authorization": "Bearer alice-secret-1234"}


@pytest.fixture
def admin(engine: FakeEngine) -> FlaskClient:
    settings = Settings(admin_tokens=Tokens.parse("alice:alice-secret-1234"))
    return create_app(settings, engine).test_client()


@pytest.mark.parametrize(
    ("asked", "body", "change"),
    [
        ("PUT /admin/labels/production", {"version": 3}, MoveLabel("production", 3)),
        (
            "PUT /admin/labels/production",
            {"version": 3, "expected": 2},
            MoveLabel("production", 3, 2),
        ),
        (
            "PUT /admin/labels/canary",
            {"version": 3, "expected": None},
            MoveLabel("canary", 3, None),
        ),
        ("DELETE /admin/labels/canary", None, MoveLabel("canary", None)),
        ("POST /admin/rollback", None, RollBack("production")),
        ("POST /admin/rollback", {"label": "canary"}, RollBack("canary")),
        ("PUT /admin/weights", {"weights": {"2": 90, "3": 10}}, ShareOut({2: 90, 3: 10})),
        ("DELETE /admin/weights", None, ShareOut({})),
        ("POST /admin/reload", None, Reload()),
        ("POST /admin/versions/3/load", None, LoadVersion(3)),
        ("POST /admin/versions/3/unload", None, UnloadVersion(3)),
    ],
)
def test_each_path_asks_for_its_change_in_the_name_of_the_token(
    admin: FlaskClient, engine: FakeEngine, asked: str, body: Any, change: Change
) -> None:
    method, path = asked.split()
    options = {} if body is None else {"json": body}
    answer = admin.open(path, method=method, headers=TOKEN, **options)
    assert answer.status_code == 200
    assert engine.changes == [("alice", change)]
    assert answer.get_json() == {
        "labels": {"production": 2},
        "weights": {},
        "loaded": [],
        "unloaded": [],
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/admin/labels/production", b""),
        ("PUT", "/admin/labels/production", b"{}"),
        ("PUT", "/admin/labels/production", b'{"version": "3"}'),
        ("PUT", "/admin/labels/production", b'{"version": 3, "expcted": 2}'),
        ("PUT", "/admin/weights", b'{"2": 90}'),
        ("PUT", "/admin/weights", b'{"weights": {"two": 90}}'),
        ("POST", "/admin/rollback", b"[]"),
    ],
)
def test_a_body_that_means_nothing_is_refused_and_nothing_asked(
    admin: FlaskClient, engine: FakeEngine, method: str, path: str, body: bytes
) -> None:
    answer = admin.open(path, method=method, headers=TOKEN, data=body)
    assert answer.status_code == 400
    assert answer.get_json()["error"]
    assert engine.changes == []


@pytest.mark.parametrize("number", ["0", "007", "10" * 15, "x"])
@pytest.mark.parametrize("verb", ["load", "unload"])
def test_what_is_no_version_is_no_path(
    admin: FlaskClient, engine: FakeEngine, number: str, verb: str
) -> None:
    answer = admin.post(f"/admin/versions/{number}/{verb}", headers=TOKEN)
    assert answer.status_code == 404
    assert engine.changes == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ChangeConflict("bert moved it"), 409),
        (NotOnShelf("no version 9"), 404),
        (StoreUnavailable("nothing was changed"), 503),
    ],
)
def test_what_the_store_says_reaches_the_operator(
    admin: FlaskClient, engine: FakeEngine, error: ServiceError, status: int
) -> None:
    engine.error = error
    answer = admin.post("/admin/rollback", headers=TOKEN)
    assert (answer.status_code, answer.get_json()) == (status, {"error": str(error)})


def test_every_administrative_path_asks_for_a_token(admin: FlaskClient, engine: FakeEngine) -> None:
    paths = [
        (rule.rule.replace("<version:version>", "3").replace("<label>", "x"), method)
        for rule in admin.application.url_map.iter_rules()
        if rule.endpoint.startswith("admin.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]
    assert len(paths) == 10
    for path, method in paths:
        assert admin.open(path, method=method).status_code == 401, (method, path)
    assert engine.changes == []


def test_history_is_told(admin: FlaskClient) -> None:
    assert admin.get("/admin/history", headers=TOKEN).get_json() == {"history": []}
