"""TensorFlow Serving's dialect."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from flask.testing import FlaskClient

from tests.service.fakes import FakeEngine, sure_of

MODEL = "/v1/models/resnet50"


def test_status_lists_every_version_as_tensorflow_serving_does(client: FlaskClient) -> None:
    body = client.get(MODEL).get_json()
    assert body["model_version_status"][0] == {
        "version": "2",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert body["model_version_status"][2] == {
        "version": "4",
        "state": "END",
        "status": {"error_code": "UNKNOWN", "error_message": "its file is damaged"},
    }


def test_status_carries_what_kserve_asks_the_same_path_for(client: FlaskClient) -> None:
    body = client.get(MODEL).get_json()
    assert (body["name"], body["ready"]) == ("resnet50", True)


def test_status_of_one_version(client: FlaskClient) -> None:
    (only,) = client.get(f"{MODEL}/versions/2").get_json()["model_version_status"]
    assert only["version"] == "2"


@pytest.mark.parametrize(
    "path", [f"{MODEL}/versions/9", "/v1/models/other", "/v1/models/other/versions/2"]
)
def test_what_is_not_served_is_404_with_what_is(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "serve" in response.get_json()["error"]


def test_rows_in_instances_come_back_as_predictions(
    client: FlaskClient, engine: FakeEngine, pixels: np.ndarray
) -> None:
    body = {"instances": [pixels.tolist(), (255 - pixels).tolist()]}
    response = client.post(f"{MODEL}:predict", json=body)
    assert response.status_code == 200
    np.testing.assert_allclose(response.get_json()["predictions"], sure_of(3, 2), rtol=1e-6)
    assert (engine.seen[0] == np.stack([pixels, 255 - pixels])).all()


@pytest.mark.parametrize(
    "wrap", [lambda each: each, lambda each: {"image": each}], ids=["bare", "named"]
)
def test_encoded_images_are_taken_as_b64(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: np.ndarray, wrap: object
) -> None:
    assert callable(wrap)
    b64 = {"b64": base64.b64encode(png).decode()}
    response = client.post(f"{MODEL}:predict", json={"instances": [wrap(b64), wrap(b64)]})
    assert response.status_code == 200
    assert (engine.seen[0] == np.stack([pixels, pixels])).all()


@pytest.mark.parametrize("named", [True, False])
def test_columns_in_inputs_come_back_as_outputs(
    client: FlaskClient, pixels: np.ndarray, named: bool
) -> None:
    images = [pixels.tolist()]
    response = client.post(
        f"{MODEL}:predict", json={"inputs": {"image": images} if named else images}
    )
    np.testing.assert_allclose(response.get_json()["outputs"], sure_of(3, 1), rtol=1e-6)


def test_a_pinned_version_answers_and_says_so(client: FlaskClient, pixels: np.ndarray) -> None:
    response = client.post(f"{MODEL}/versions/2:predict", json={"instances": [pixels.tolist()]})
    assert response.headers["Model-Version"] == "2"
    assert response.get_json()["model_version"] == "2"
    assert np.argmax(response.get_json()["predictions"][0]) == 2


def test_a_version_that_is_not_served_is_404(client: FlaskClient, pixels: np.ndarray) -> None:
    response = client.post(f"{MODEL}/versions/9:predict", json={"instances": [pixels.tolist()]})
    assert response.status_code == 404
    assert "available: 2, 3" in response.get_json()["error"]


ROW = np.zeros((64, 64, 3), int).tolist()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param({}, "instances", id="neither"),
        pytest.param({"instances": [ROW], "inputs": [ROW]}, "either", id="both"),
        pytest.param({"instances": []}, "at least one", id="no image"),
        pytest.param({"instances": 5}, "list", id="not a list"),
        pytest.param({"instances": [[1, 2]]}, "shape [1, 2]", id="wrong shape"),
        pytest.param({"instances": [[[1], [2, 3]]]}, "regular", id="ragged"),
        pytest.param({"instances": [ROW[:-1]]}, "shape", id="a row short"),
        pytest.param({"instances": ["text"]}, "shape", id="text"),
        pytest.param({"instances": [None]}, "shape", id="null"),
        pytest.param({"instances": [{"b64": "!"}]}, "base64", id="bad base64"),
        pytest.param({"instances": [{"b64": ""}, 5]}, "empty", id="an empty image"),
        pytest.param({"instances": [{"x": ""}]}, "b64", id="another key"),
        pytest.param({"instances": [ROW], "signature_name": "x"}, "signature", id="signature"),
        pytest.param({"instance": [ROW]}, "instance", id="a misspelt field"),
        pytest.param([1], "valid request", id="a list"),
        pytest.param(
            {"instances": [(np.zeros((64, 64, 3)) + 0.5).tolist()]}, "whole", id="fractions"
        ),
        pytest.param(
            {"instances": [(np.zeros((64, 64, 3), int) + 256).tolist()]}, "255", id="too bright"
        ),
        pytest.param(
            {"instances": [(np.zeros((64, 64, 3), int) - 1).tolist()]}, "255", id="negative"
        ),
        pytest.param(
            {"instances": [(np.zeros((64, 64, 3), object) + 2**70).tolist()]}, "255", id="huge"
        ),
    ],
)
def test_a_senseless_request_is_400_with_a_reason(
    client: FlaskClient, body: object, reason: str
) -> None:
    response = client.post(f"{MODEL}:predict", json=body)
    assert response.status_code == 400
    assert reason in response.get_json()["error"]


def test_too_many_images_are_413(client: FlaskClient) -> None:
    response = client.post(f"{MODEL}:predict", json={"instances": [0] * 65})
    assert response.status_code == 413
