from __future__ import annotations

import tomllib

from flask.testing import FlaskClient

import service
from service.errors import EngineUnavailable
from service.ipc.messages import VersionStatus
from tests.doc_blocks import ROOT
from tests.service.fakes import FakeEngine


def test_alive_says_nothing_about_the_model(client: FlaskClient, engine: FakeEngine) -> None:
    engine.error = EngineUnavailable("gone")
    assert client.get("/healthz").status_code == 200


def test_ready_while_a_version_is_served(client: FlaskClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.get_json()) == (200, {"ready": True, "version": 3})


def test_not_ready_before_the_first_version_and_it_says_why(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.default = None
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json() == {"ready": False, "reason": "version 3 is loading"}


def test_not_ready_without_the_engine(client: FlaskClient, engine: FakeEngine) -> None:
    engine.error = EngineUnavailable("the engine is starting")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["reason"] == "the engine is starting"


def test_metrics_tell_what_the_engine_says_at_that_moment(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.versions = (
        VersionStatus(3, "AVAILABLE", variant="model.int8.onnx"),
        VersionStatus(4, "END", "its file is damaged"),
    )
    text = client.get("/metrics").get_data(as_text=True)
    assert 'hotshelf_versions{state="AVAILABLE"} 1.0' in text
    assert 'hotshelf_version_loaded{variant="model.int8.onnx",version="3"} 1.0' in text
    assert 'hotshelf_version_failed{version="4"} 1.0' in text
    assert 'hotshelf_label_version{label="production"} 2.0' in text
    assert "hotshelf_ready 1.0" in text
    engine.error = EngineUnavailable("gone")
    text = client.get("/metrics").get_data(as_text=True)
    assert "hotshelf_engine_up 0.0" in text
    assert "hotshelf_ready 0.0" in text
    assert "hotshelf_versions" not in text


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert service.__version__ == project["version"]


def test_metrics_count_requests_by_dialect_status_and_version(
    client: FlaskClient, png: bytes
) -> None:
    line = 'hotshelf_requests_total{dialect="simple",status="200",version="3"}'

    def counted() -> float:
        text = client.get("/metrics").get_data(as_text=True)
        found = [each for each in text.splitlines() if each.startswith(line)]
        return float(found[0].split()[-1]) if found else 0.0

    before = counted()
    client.post("/predict", data=png)
    assert counted() == before + 1
