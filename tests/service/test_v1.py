"""TensorFlow Serving's dialect."""

from __future__ import annotations

import base64
import tracemalloc

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
        pytest.param({"instances": [{"b64": ""}, 5]}, "$[1]", id="objects and numbers"),
        pytest.param({"instances": [{"image": 5}]}, "b64", id="one number for an image"),
        pytest.param({"instances": [{"image": ROW}, {"b64": ""}]}, "two kinds", id="two kinds"),
        pytest.param({"instances": [{"image": ROW, "b64": ""}]}, "expected", id="image and b64"),
        pytest.param({"instances": [{}]}, "expected", id="an empty object"),
        pytest.param({"inputs": {"picture": [ROW]}}, "image", id="another input"),
        pytest.param({"instances": [[]]}, "at least one", id="empty lists"),
        pytest.param({"instances": [np.zeros(12288, int).tolist()]}, "shape", id="flat numbers"),
        pytest.param({"instances": [ROW[:32] + [[[0] * 6] * 32] * 32]}, "shape", id="other rows"),
        pytest.param({"instances": [ROW], "inputs": [ROW]}, "either", id="both"),
        pytest.param({"instances": []}, "at least one", id="no image"),
        pytest.param({"instances": 5}, "list", id="not a list"),
        pytest.param({"instances": [[1, 2]]}, "2 numbers nested 2 deep", id="wrong shape"),
        pytest.param({"instances": [[[1], [2, 3]]]}, "shape [N, 64, 64, 3]", id="ragged"),
        pytest.param({"instances": [ROW[:-1]]}, "shape", id="a row short"),
        pytest.param({"instances": ["text"]}, "b64", id="text"),
        pytest.param({"instances": [None]}, "whole numbers", id="null"),
        pytest.param({"instances": [{"b64": "!"}]}, "base64", id="bad base64"),
        pytest.param({"instances": [{"b64": ""}]}, "empty", id="an empty image"),
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


def test_too_many_images_are_400_as_tensorflow_serving_calls_what_is_wrong_with_tensors(
    client: FlaskClient,
) -> None:
    for body in ({"instances": [ROW] * 65}, {"instances": [{"b64": ""}] * 65}):
        response = client.post(f"{MODEL}:predict", json=body)
        assert response.status_code == 400
        assert "64" in response.get_json()["error"]


def test_a_body_of_brackets_costs_no_more_memory_than_its_text(client: FlaskClient) -> None:
    body = b'{"instances": [' + b"[]," * 1_000_000 + b"[]]}"
    client.post(f"{MODEL}:predict", data=body)
    tracemalloc.start()
    response = client.post(f"{MODEL}:predict", data=body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 400
    assert peak < 5 * len(body)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"instances":' + "["])
def test_json_nested_without_end_is_refused(client: FlaskClient, opening: str) -> None:
    response = client.post(f"{MODEL}:predict", data=opening * 200_000)
    assert response.status_code == 400


@pytest.mark.parametrize("body", [b'{"a\xa6": 1}', b'{"instances": "\xa6"}', b"\xa6", b'"\\ud800"'])
def test_what_is_no_text_is_no_json(client: FlaskClient, body: bytes) -> None:
    response = client.post(f"{MODEL}:predict", data=body)
    assert response.status_code == 400


def test_kserve_finds_the_models_where_it_lists_them(client: FlaskClient) -> None:
    assert client.get("/v1/models").get_json() == {"models": ["resnet50"]}


def test_a_label_stands_for_its_version_everywhere(client: FlaskClient) -> None:
    place = f"{MODEL}/labels/production"
    (status,) = client.get(place).get_json()["model_version_status"]
    assert status["version"] == "2"
    assert client.get(f"{place}/metadata").get_json()["model_spec"]["version"] == "2"
    answer = client.post(f"{place}:predict", json={"instances": [ROW]})
    assert answer.headers["Model-Version"] == "2"
    assert client.post(f"{place}:classify", json={"examples": [{"image": ROW}]}).status_code == 200


@pytest.mark.parametrize("method", ["predict", "classify"])
def test_an_unknown_label_is_404(client: FlaskClient, method: str) -> None:
    body = {"instances": [ROW]} if method == "predict" else {"examples": [{"image": ROW}]}
    response = client.post(f"{MODEL}/labels/nobody:{method}", json=body)
    assert response.status_code == 404
    assert "nobody" in response.get_json()["error"]
    assert client.get(f"{MODEL}/labels/nobody").status_code == 404


def test_metadata_writes_the_signature_as_tensorflow_serving_does(client: FlaskClient) -> None:
    body = client.get(f"{MODEL}/metadata").get_json()
    assert body["model_spec"] == {"name": "resnet50", "signature_name": "", "version": "3"}
    signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    image, output = signature["inputs"]["image"], signature["outputs"]["probabilities"]
    assert (image["dtype"], output["dtype"]) == ("DT_UINT8", "DT_FLOAT")
    sizes = [each["size"] for each in image["tensor_shape"]["dim"]]
    assert sizes == ["-1", "64", "64", "3"]
    assert [each["size"] for each in output["tensor_shape"]["dim"]] == ["-1", "10"]


def test_metadata_of_one_version_names_it(client: FlaskClient) -> None:
    response = client.get(f"{MODEL}/versions/2/metadata")
    assert response.get_json()["model_spec"]["version"] == "2"
    assert response.headers["Model-Version"] == "2"


def test_classify_gives_each_example_its_labels_and_scores(
    client: FlaskClient, png: bytes, pixels: np.ndarray
) -> None:
    b64 = {"b64": base64.b64encode(png).decode()}
    examples = [{"image": b64}, b64]
    response = client.post(f"{MODEL}/versions/2:classify", json={"examples": examples})
    one, other = response.get_json()["results"]
    assert one == other
    assert one[0] == ["class 2", pytest.approx(sure_of(2, 1)[0][2])]
    assert len(one) == 10
    assert sum(score for _, score in one) == pytest.approx(1)
    assert response.headers["Model-Version"] == "2"


def test_classify_takes_pixels_nested_or_flat_as_features_are(
    client: FlaskClient, engine: FakeEngine, pixels: np.ndarray
) -> None:
    examples = [{"image": pixels.tolist()}, {"image": pixels.ravel().tolist()}]
    assert client.post(f"{MODEL}:classify", json={"examples": examples}).status_code == 200
    assert (engine.seen[0] == np.stack([pixels, pixels])).all()


def test_what_all_examples_share_stands_in_their_context(
    client: FlaskClient, engine: FakeEngine, pixels: np.ndarray
) -> None:
    body = {"context": {"image": pixels.tolist()}, "examples": [{}, {"image": ROW}]}
    assert client.post(f"{MODEL}:classify", json=body).status_code == 200
    assert (engine.seen[0] == np.stack([pixels, np.array(ROW)])).all()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"examples": []},
        {"examples": [{}]},
        {"examples": 5},
        {"examples": [{"b64": 5}]},
        [],
        {"context": {"image": [256]}, "examples": [{"image": ROW}]},
    ],
)
def test_a_senseless_classification_is_400(client: FlaskClient, body: object) -> None:
    assert client.post(f"{MODEL}:classify", json=body).status_code == 400


def test_regress_is_refused_as_tensorflow_serving_refuses_it(client: FlaskClient) -> None:
    response = client.post(f"{MODEL}:regress", json={"examples": [{"x": 1.0}]})
    assert response.status_code == 400
    assert "regression signature" in response.get_json()["error"]


def test_a_verb_belongs_to_no_name(client: FlaskClient) -> None:
    response = client.get(f"{MODEL}:predict")
    assert response.status_code == 405
    assert "GET" not in response.headers["Allow"]


def test_an_unnamed_signature_is_the_default_one(client: FlaskClient) -> None:
    body = {"signature_name": "", "instances": [ROW]}
    assert client.post(f"{MODEL}:predict", json=body).status_code == 200


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "9" * 19, "9" * 5000])
def test_what_is_no_version_number_is_no_path(client: FlaskClient, number: str) -> None:
    assert client.get(f"{MODEL}/versions/{number}").status_code == 404


def test_while_nothing_is_served_metadata_says_why(client: FlaskClient, engine: FakeEngine) -> None:
    engine.default = None
    response = client.get(f"{MODEL}/metadata")
    assert response.status_code == 503
    assert "loading" in response.get_json()["error"]
    assert response.headers["Retry-After"] == "1"
