from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask, Response, request, session, url_for
from werkzeug.test import TestResponse

from service.web.lean import LeanFlask


@pytest.fixture
def app() -> Flask:
    app = LeanFlask("lean", static_folder=None)

    @app.get("/fixed")
    def fixed() -> str:
        return f"{request.endpoint} {request.args.get('a', '-')} {url_for('fixed')}"

    @app.get("/things/<name>")
    def thing(name: str) -> str:
        return f"thing {name}"

    @app.get("/folder/")
    def folder() -> str:
        return "folder"

    return app


def get(app: Flask, path: str, method: str = "GET") -> TestResponse:
    return app.test_client().open(path, method=method)


def test_a_fixed_path_is_found_again_and_again(app: Flask) -> None:
    for _ in range(3):
        assert get(app, "/fixed?a=1").text == "fixed 1 /fixed"


def test_arguments_are_not_remembered(app: Flask) -> None:
    assert [get(app, f"/things/{each}").text for each in "aba"] == [
        "thing a",
        "thing b",
        "thing a",
    ]


def test_a_path_beyond_ascii_arrives_whole(app: Flask) -> None:
    assert get(app, "/things/größe").text == "thing größe"


@pytest.mark.parametrize("path", ["/nothing", "/fixed/"])
def test_what_is_not_there_is_not_there_twice(app: Flask, path: str) -> None:
    assert [get(app, path).status_code for _ in range(2)] == [404, 404]


def test_another_method_is_refused_though_the_path_is_known(app: Flask) -> None:
    assert get(app, "/fixed").status_code == 200
    refused = get(app, "/fixed", "POST")
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
    assert get(app, "/fixed", "OPTIONS").status_code == 200
    assert get(app, "/fixed", "HEAD").data == b""


def test_a_folder_without_its_slash_is_redirected(app: Flask) -> None:
    for _ in range(2):
        moved = get(app, "/folder")
        assert moved.status_code == 308
        assert moved.headers["Location"].endswith("/folder/")


def test_a_session_is_no_place_to_keep_anything(app: Flask) -> None:
    @app.get("/keep")
    def keep() -> str:
        session["it"] = 1
        return ""

    app.testing = True
    with pytest.raises(RuntimeError, match="session"):
        get(app, "/keep")


class Order:
    """Notes what runs around views that answer, that fail, and that a hook answers for."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def before(self, name: str) -> Callable[[], str | None]:
        def hook() -> str | None:
            self.ran.append(f"before {name}")
            return "answered" if name == "part 2" and request.path == "/part/hook" else None

        return hook

    def after(self, name: str) -> Callable[[Response], Response]:
        def hook(response: Response) -> Response:
            self.ran.append(f"after {name} {response.status_code}")
            return response

        return hook

    def view(self) -> str:
        self.ran.append("view")
        if request.path.endswith("fail"):
            raise LookupError("no such thing")
        return "answered"


def hooks_run(kind: type[Flask], path: str) -> list[str]:
    order = Order()
    app, part = kind("hooked", static_folder=None), Blueprint("part", __name__)
    for name in ("1", "2"):
        app.before_request(order.before(f"app {name}"))
        app.after_request(order.after(f"app {name}"))
        part.before_request(order.before(f"part {name}"))
        part.after_request(order.after(f"part {name}"))
    app.register_error_handler(LookupError, lambda error: (str(error), 418))
    for each in ("view", "fail", "hook"):
        part.add_url_rule(f"/part/{each}", each, order.view)
    app.add_url_rule("/view", "view", order.view)
    app.register_blueprint(part)
    for _ in range(2):
        get(app, path)
    return order.ran


@pytest.mark.parametrize("path", ["/view", "/part/view", "/part/fail", "/part/hook", "/nothing"])
def test_hooks_run_as_flask_runs_them(path: str) -> None:
    assert hooks_run(LeanFlask, path) == hooks_run(Flask, path) != []
