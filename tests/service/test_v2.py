"""The Open Inference Protocol: what it says about server, model, versions and counters."""

from __future__ import annotations

import msgspec
import pytest
from flask.testing import FlaskClient

from service.changes import LoadVersion, Reload, UnloadVersion
from service.errors import EngineUnavailable
from service.ipc.messages import VersionStatus
from service.settings import Settings
from service.statistics import Times, VersionStatistics
from service.tokens import Tokens
from service.web.app import create_app
from tests.service.fakes import FakeEngine

MODEL = "/v2/models/resnet50"
ADMIN = {"Authorization": "Bearer opensesame-opensesame"}


def test_the_server_names_its_extensions(client: FlaskClient) -> None:
    body = client.get("/v2").get_json()
    assert body["name"] == "hotshelf"
    assert {"binary_tensor_data", "classification", "statistics"} <= set(body["extensions"])


def test_the_server_says_what_it_is_also_while_the_engine_is_away(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.error = EngineUnavailable("starting")
    response = client.get("/v2")
    assert response.status_code == 200
    assert "device" not in response.get_json()


def test_readiness_is_said_in_both_ways_that_clients_read(client: FlaskClient) -> None:
    assert client.get("/v2/health/live").get_json() == {"live": True}
    assert client.get("/v2/health/ready").get_json() == {"ready": True, "live": True}


@pytest.mark.parametrize("away", [True, False])
def test_without_a_version_or_an_engine_it_is_alive_but_not_ready(
    client: FlaskClient, engine: FakeEngine, away: bool
) -> None:
    engine.default = None
    engine.error = EngineUnavailable("starting") if away else None
    assert client.get("/v2/health/live").status_code == 200
    response = client.get("/v2/health/ready")
    assert (response.status_code, response.get_json()["ready"]) == (503, False)


def test_metadata_describes_the_one_input_and_the_one_output(client: FlaskClient) -> None:
    body = client.get(MODEL).get_json()
    assert body == {
        "name": "resnet50",
        "versions": ["2", "3"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 64, 64, 3]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
    }


@pytest.mark.parametrize("what", ["", "/config"])
@pytest.mark.parametrize("place", ["/versions/2", "/labels/production"])
def test_what_is_said_about_one_version_names_it(
    client: FlaskClient, place: str, what: str
) -> None:
    response = client.get(f"{MODEL}{place}{what}")
    assert response.status_code == 200
    assert response.headers["Model-Version"] == "2"


def test_the_configuration_has_what_tritons_clients_look_for(client: FlaskClient) -> None:
    body = client.get(f"{MODEL}/config").get_json()
    assert body["max_batch_size"] == Settings().max_images
    (image,), (output,) = body["input"], body["output"]
    assert (image["format"], image["dims"]) == ("FORMAT_NHWC", [64, 64, 3])
    assert (image["data_type"], output["data_type"]) == ("TYPE_UINT8", "TYPE_FP32")
    assert output["dims"] == [10]


@pytest.mark.parametrize(
    ("place", "status"),
    [("", 200), ("/versions/2", 200), ("/labels/production", 200), ("/versions/4", 503)],
)
def test_a_version_is_ready_when_it_answers(client: FlaskClient, place: str, status: int) -> None:
    response = client.get(f"{MODEL}{place}/ready")
    assert response.status_code == status
    assert response.get_json() == {"name": "resnet50", "ready": status == 200}


@pytest.mark.parametrize("what", ["", "/ready", "/config", "/stats", "/infer"])
@pytest.mark.parametrize("model", ["other", "resnet50/versions/9", "resnet50/labels/nobody"])
def test_what_is_not_served_is_404_in_json(client: FlaskClient, model: str, what: str) -> None:
    body = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [""]}]}
    path = f"/v2/models/{model}{what}"
    response = client.post(path, json=body) if what == "/infer" else client.get(path)
    if what == "/infer" and model != "other":
        assert response.status_code == 400  # the empty image is seen first
    else:
        assert response.status_code == 404
    assert set(response.get_json()) == {"error"}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/ready", "/v2/health/ready", "/v2"])
def test_a_wrong_verb_is_405_and_says_what_is_allowed(client: FlaskClient, path: str) -> None:
    response = client.delete(path)
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert "GET" in response.get_json()["error"]


def test_a_path_that_the_dialect_lacks_is_404_in_json(client: FlaskClient) -> None:
    response = client.get("/v2/systemsharedmemory/status")
    assert response.status_code == 404
    assert "/v2/systemsharedmemory/status" in response.get_json()["error"]


def test_statistics_have_tritons_shape(client: FlaskClient, engine: FakeEngine) -> None:
    one, batch = Times(3, 900), Times(2, 800)
    engine.counted = (VersionStatistics(3, 17, 5, one, Times(1, 50), one, one, {1: one, 4: batch}),)
    (body,) = client.get(f"{MODEL}/stats").get_json()["model_stats"]
    assert (body["name"], body["version"], body["last_inference"]) == ("resnet50", "3", 17)
    assert (body["inference_count"], body["execution_count"]) == (5, 5)
    assert body["inference_stats"]["success"] == {"count": 3, "ns": 900}
    assert body["inference_stats"]["fail"] == {"count": 1, "ns": 50}
    assert body["inference_stats"]["compute_infer"] == {"count": 3, "ns": 900}
    assert [each["batch_size"] for each in body["batch_stats"]] == [1, 4]
    assert body["batch_stats"][1]["compute_infer"] == {"count": 2, "ns": 800}


def test_statistics_of_all_models_are_those_of_the_one(
    client: FlaskClient, engine: FakeEngine
) -> None:
    engine.counted = (VersionStatistics(2), VersionStatistics(3))
    everything = client.get("/v2/models/stats").get_json()
    assert everything == client.get(f"{MODEL}/stats").get_json()
    assert [each["version"] for each in everything["model_stats"]] == ["2", "3"]


@pytest.mark.parametrize("place", ["/versions/2", "/labels/production"])
def test_statistics_of_one_version_are_there_before_its_first_request(
    client: FlaskClient, engine: FakeEngine, place: str
) -> None:
    engine.counted = (VersionStatistics(3),)
    (body,) = client.get(f"{MODEL}{place}/stats").get_json()["model_stats"]
    assert (body["version"], body["inference_stats"]["success"]["count"]) == ("2", 0)


def test_the_repository_lists_versions_with_states_and_reasons(client: FlaskClient) -> None:
    body = client.post("/v2/repository/index").get_json()
    assert body == [
        {"name": "resnet50", "version": "2", "state": "READY", "reason": ""},
        {"name": "resnet50", "version": "3", "state": "READY", "reason": ""},
        {
            "name": "resnet50",
            "version": "4",
            "state": "UNAVAILABLE",
            "reason": "its file is damaged",
        },
    ]


def test_the_repository_lists_only_what_is_ready_if_asked(client: FlaskClient) -> None:
    body = client.post("/v2/repository/index", json={"ready": True}).get_json()
    assert [each["version"] for each in body] == ["2", "3"]


def test_every_state_has_a_name_in_the_repository(client: FlaskClient, engine: FakeEngine) -> None:
    states = ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")
    engine.versions = tuple(VersionStatus(n, state) for n, state in enumerate(states, 1))
    body = client.post("/v2/repository/index").get_json()
    found = [each["state"] for each in body]
    assert found == ["LOADING", "LOADING", "READY", "UNLOADING", "UNAVAILABLE"]
    assert body[-1]["reason"] == "unloaded"


@pytest.fixture
def admin(engine: FakeEngine) -> FlaskClient:
    tokens = Tokens.parse("ada:opensesame-opensesame")
    return create_app(Settings(admin_tokens=tokens), engine).test_client()


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("load", None, Reload()),
        ("load", {"parameters": None}, Reload()),
        ("load", {"parameters": {"version": 3}}, LoadVersion(3)),
        ("unload", {"parameters": {"version": 2}}, UnloadVersion(2)),
        ("unload", {"parameters": {"version": 2, "unload_dependents": False}}, UnloadVersion(2)),
    ],
)
def test_load_and_unload_are_changes_by_whoever_holds_the_token(
    admin: FlaskClient, engine: FakeEngine, path: str, body: object, change: object
) -> None:
    arguments = {} if body is None else {"json": body}
    url = f"/v2/repository/models/resnet50/{path}"
    response = admin.post(url, headers=ADMIN, **arguments)
    assert response.status_code == 200
    assert engine.changes == [("ada", change)]


LOADING, AVAILABLE = VersionStatus(4, "LOADING"), VersionStatus(4, "AVAILABLE")


@pytest.mark.parametrize("body", [{}, {"parameters": {"version": 4}}])
def test_load_is_answered_when_the_version_is_loaded(
    admin: FlaskClient, engine: FakeEngine, body: object
) -> None:
    engine.versions = (LOADING,)
    engine.upcoming = [(LOADING,), (AVAILABLE,)]
    response = admin.post("/v2/repository/models/resnet50/load", headers=ADMIN, json=body)
    assert response.status_code == 200
    assert engine.upcoming == []


def test_load_says_why_a_version_cannot_be_served(admin: FlaskClient, engine: FakeEngine) -> None:
    failed = VersionStatus(4, "END", "its file is damaged", failures=1)
    engine.versions = (failed,)
    # It failed before; what counts is that it fails again.
    engine.upcoming = [(LOADING,), (msgspec.structs.replace(failed, failures=2),)]
    response = admin.post(
        "/v2/repository/models/resnet50/load",
        headers=ADMIN,
        json={"parameters": {"version": 4}},
    )
    assert response.status_code == 409
    assert response.get_json() == {"error": "version 4 can't be served: its file is damaged"}
    assert engine.upcoming == []


def test_load_that_takes_too_long_is_not_waited_for(admin: FlaskClient, engine: FakeEngine) -> None:
    engine.versions = (LOADING,)
    response = admin.post("/v2/repository/models/resnet50/load", headers=ADMIN, json={})
    assert response.status_code == 504


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("unload", {}),
        ("load", {"parameters": {"config": "{}"}}),
        ("load", {"parameters": {"version": 0}}),
        ("load", {"parameters": {"version": 10**18}}),
        ("load", []),
    ],
)
def test_a_senseless_load_or_unload_is_400_and_changes_nothing(
    admin: FlaskClient, engine: FakeEngine, path: str, body: object
) -> None:
    url = f"/v2/repository/models/resnet50/{path}"
    assert admin.post(url, headers=ADMIN, json=body).status_code == 400
    assert engine.changes == []


@pytest.mark.parametrize("path", ["load", "unload"])
def test_load_and_unload_need_a_token(admin: FlaskClient, path: str) -> None:
    response = admin.post(f"/v2/repository/models/resnet50/{path}")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
