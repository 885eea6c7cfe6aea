from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from service.errors import EngineUnavailable
from service.ipc.messages import VersionStatus
from service.web.console import STATIC
from tests.service.fakes import FakeEngine

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    client: FlaskClient,
) -> None:
    response = client.get("/", headers=BROWSER)
    policy = response.headers["Content-Security-Policy"]
    assert response.mimetype == "text/html"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_client_that_wants_no_page_is_told_that_the_service_is_alive(
    client: FlaskClient, accept: str | None
) -> None:
    response = client.get("/", headers={"Accept": accept} if accept else {})
    assert response.get_json()["status"] == "alive"
    assert client.get(response.get_json()["documentation"]).mimetype == "text/html"
    assert "Accept" in response.vary


def test_every_part_that_the_page_names_is_there(client: FlaskClient) -> None:
    names = set(re.findall(r'"/console/([^"]+)"', client.get("/", headers=BROWSER).text))
    names |= {
        name
        for path in STATIC.glob("*.js")
        for name in re.findall(r'from "\./([^"]+)"', path.read_text())
    }
    assert "main.js" in names
    assert {name: client.get(f"/console/{name}").status_code for name in names} == dict.fromkeys(
        names, 200
    )


def test_a_part_that_has_not_changed_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/console/style.css").headers["ETag"]
    again = client.get("/console/style.css", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_an_unknown_part_is_not_found(client: FlaskClient) -> None:
    assert client.get("/console/..%2Fconsole.py").status_code == 404
    assert client.get("/console/other.js").status_code == 404


def test_versions_come_newest_first_with_what_is_known_of_them(client: FlaskClient) -> None:
    state = client.get("/console/state").get_json()
    assert [each["version"] for each in state["versions"]] == [4, 3, 2]
    failed, default, labelled = state["versions"]
    assert (failed["state"], failed["error"], failed["facts"]) == (
        "END",
        "its file is damaged",
        None,
    )
    assert default["facts"]["accuracy"] == {"model.onnx": 0.64}
    assert (labelled["labels"], state["default"]) == (["production"], 3)


def test_a_version_that_only_the_shelf_knows_is_listed(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.versions = (VersionStatus(3, "AVAILABLE"),)
    versions = client.get("/console/state").get_json()["versions"]
    assert [(each["version"], each["state"]) for each in versions] == [(3, "AVAILABLE"), (2, "")]


def test_without_the_engine_the_console_says_why(client: FlaskClient, engine: FakeEngine) -> None:
    engine.error = EngineUnavailable("the engine is starting")
    state = client.get("/console/state").get_json()
    assert (state["engine"], state["waiting"]) == (False, "the engine is starting")


def test_the_pulse_counts_predictions_and_nothing_else(client: FlaskClient, png: bytes) -> None:
    before = client.get("/console/state").get_json()["pulse"]
    client.get("/healthz")
    client.get("/no/such/path")
    client.post("/predict", data=png)
    client.post("/predict", data=b"no image")
    after = client.get("/console/state").get_json()["pulse"]
    assert after["requests"] - before["requests"] == 2
    assert after["counts"][-1] - (before["counts"] or [0])[-1] == 2
    assert after["failed"] == before["failed"]
