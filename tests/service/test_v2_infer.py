"""`infer` of the Open Inference Protocol: tensors in JSON and binary, in both directions."""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from werkzeug.test import TestResponse

from tests.service.fakes import FakeEngine, sure_of

INFER = "/v2/models/resnet50/infer"
LENGTH = "Inference-Header-Content-Length"

Pixels = NDArray[np.uint8]


def pixel_input(count: int, **more: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "UINT8", "shape": [count, 64, 64, 3], **more}


def encoded_input(count: int, **more: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": "BYTES", "shape": [count], **more}


def element(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def send(client: FlaskClient, body: dict[str, Any], binary: bytes = b"") -> TestResponse:
    """Send JSON with binary data after it, which the input's parameters announce."""
    text = json.dumps(body).encode()
    return client.post(INFER, data=text + binary, headers={LENGTH: str(len(text))})


def send_binary(client: FlaskClient, tensor: dict[str, Any], binary: bytes) -> TestResponse:
    sized = {**tensor, "parameters": {"binary_data_size": len(binary)}}
    return send(client, {"inputs": [sized]}, binary)


def parts(response: TestResponse) -> tuple[dict[str, Any], bytes]:
    """Return the JSON of a binary answer and what follows it."""
    length = int(response.headers[LENGTH])
    return json.loads(response.data[:length]), response.data[length:]


@pytest.fixture
def batch(pixels: Pixels) -> Pixels:
    return np.stack([pixels, 255 - pixels])


@pytest.mark.parametrize("flat", [True, False])
def test_pixels_in_json_may_be_nested_or_flat(
    client: FlaskClient, engine: FakeEngine, batch: Pixels, flat: bool
) -> None:
    data = batch.ravel().tolist() if flat else batch.tolist()
    response = client.post(INFER, json={"inputs": [pixel_input(2, data=data)]})
    (output,) = response.get_json()["outputs"]
    assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
    assert output["shape"] == [2, 10]
    np.testing.assert_allclose(output["data"], sure_of(3, 2).ravel(), rtol=1e-6)
    assert (engine.seen[0] == batch).all()


def test_binary_pixels_reach_the_engine_without_being_copied(
    client: FlaskClient, engine: FakeEngine, batch: Pixels
) -> None:
    response = send_binary(client, pixel_input(2), batch.tobytes())
    assert response.status_code == 200
    (seen,) = engine.seen
    assert (seen == batch).all()
    assert not seen.flags.owndata


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_encoded_images_are_elements_of_a_bytes_tensor(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: Pixels, shape: list[int]
) -> None:
    tensor = encoded_input(2) | {"shape": shape}
    assert send_binary(client, tensor, 2 * element(png)).status_code == 200
    text = base64.b64encode(png).decode()
    column = [[text], [text]] if len(shape) == 2 else [text, text]
    assert client.post(INFER, json={"inputs": [tensor | {"data": column}]}).status_code == 200
    for seen in engine.seen:
        assert (seen == np.stack([pixels, pixels])).all()


@pytest.mark.parametrize(
    ("request_level", "output_level", "binary"),
    [
        (None, None, False),
        (True, None, True),
        (True, False, False),
        (False, True, True),
        (None, True, True),
    ],
)
def test_the_output_is_binary_where_it_is_asked_for(
    client: FlaskClient,
    png: bytes,
    request_level: bool | None,
    output_level: bool | None,
    binary: bool,
) -> None:
    body: dict[str, Any] = {"inputs": [encoded_input(1, data=[base64.b64encode(png).decode()])]}
    if request_level is not None:
        body["parameters"] = {"binary_data_output": request_level}
    if output_level is not None:
        body["outputs"] = [{"name": "probabilities", "parameters": {"binary_data": output_level}}]
    response = client.post(INFER, json=body)
    assert response.headers["Model-Version"] == "3"
    if not binary:
        assert LENGTH not in response.headers
        assert response.get_json()["model_version"] == "3"
        return
    header, data = parts(response)
    assert (header["model_name"], header["model_version"]) == ("resnet50", "3")
    assert header["outputs"][0]["parameters"] == {"binary_data_size": len(data)}
    np.testing.assert_array_equal(np.frombuffer(data, "<f4"), sure_of(3, 1).ravel())


def test_a_raw_body_is_pixels(client: FlaskClient, engine: FakeEngine, batch: Pixels) -> None:
    response = client.post(INFER, data=batch.tobytes(), headers={LENGTH: "0"})
    header, data = parts(response)
    assert header["outputs"][0]["shape"] == [2, 10]
    assert len(data) == 80
    assert (engine.seen[0] == batch).all()


def test_a_raw_body_with_an_images_type_is_that_image(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: Pixels
) -> None:
    response = client.post(INFER, data=png, headers={LENGTH: "0"}, content_type="image/png")
    assert response.status_code == 200
    assert (engine.seen[0] == pixels).all()


@pytest.mark.parametrize("binary", [True, False])
def test_classification_gives_value_index_and_label(
    client: FlaskClient, batch: Pixels, binary: bool
) -> None:
    wanted = {"classification": 2, "binary_data": binary}
    body = {
        "inputs": [pixel_input(2, parameters={"binary_data_size": batch.nbytes})],
        "outputs": [{"name": "probabilities", "parameters": wanted}],
    }
    response = send(client, body, batch.tobytes())
    header, data = parts(response) if binary else (response.get_json(), b"")
    (output,) = header["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    value, index, label = (
        data[4 : 4 + struct.unpack("<I", data[:4])[0]].decode() if binary else output["data"][0]
    ).split(":")
    assert (index, label) == ("3", "class 3")
    assert np.float32(value) == sure_of(3, 1)[0, 3]


def test_more_classes_than_there_are_give_all(client: FlaskClient, batch: Pixels) -> None:
    body = {
        "inputs": [pixel_input(1, data=batch[:1].tolist())],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 1000}}],
    }
    assert client.post(INFER, json=body).get_json()["outputs"][0]["shape"] == [1, 10]


def test_id_and_the_clients_own_parameters_come_back(client: FlaskClient, batch: Pixels) -> None:
    body = {
        "id": "α-7",
        "parameters": {"camera": "north", "frame": 12, "timeout": 1_000_000, "priority": 1},
        "inputs": [pixel_input(1, data=batch[:1].tolist())],
    }
    answer = client.post(INFER, json=body).get_json()
    assert answer["id"] == "α-7"
    assert answer["parameters"] == {"camera": "north", "frame": 12}


@pytest.mark.parametrize("place", ["request", "input", "output", "outputs"])
def test_parameters_that_are_null_are_none(client: FlaskClient, batch: Pixels, place: str) -> None:
    body: dict[str, Any] = {"inputs": [pixel_input(1, data=batch[:1].tolist())]}
    if place == "request":
        body["parameters"] = None
    elif place == "input":
        body["inputs"][0]["parameters"] = None
    elif place == "output":
        body["outputs"] = [{"name": "probabilities", "parameters": None}]
    else:
        body["outputs"] = None
    response = client.post(INFER, json=body)
    assert response.status_code == 200
    assert response.get_json()["outputs"][0]["datatype"] == "FP32"


@pytest.mark.parametrize("name", ["binary_data", "classification", "shared_memory_region"])
def test_a_parameter_that_is_null_is_not_given(
    client: FlaskClient, batch: Pixels, name: str
) -> None:
    body = {
        "inputs": [pixel_input(1, data=batch[:1].tolist(), parameters={"binary_data_size": None})],
        "outputs": [{"name": "probabilities", "parameters": {name: None}}],
    }
    assert client.post(INFER, json=body).get_json()["outputs"][0]["datatype"] == "FP32"


@pytest.mark.parametrize("place", ["versions/2", "labels/production"])
def test_a_path_names_a_version(client: FlaskClient, batch: Pixels, place: str) -> None:
    body = {"inputs": [pixel_input(1, data=batch[:1].tolist())]}
    answer = client.post(f"/v2/models/resnet50/{place}/infer", json=body)
    assert answer.get_json()["model_version"] == "2"


ZEROS = [0] * 12288
GOOD = pixel_input(1, data=ZEROS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param([], "object", id="a list"),
        pytest.param({}, "inputs", id="nothing"),
        pytest.param({"inputs": []}, "length 1", id="no input"),
        pytest.param({"inputs": [GOOD, GOOD]}, "length 1", id="two inputs"),
        pytest.param({"inputs": [GOOD], "id": 7}, "id", id="a number for an id"),
        pytest.param({"inputs": [GOOD | {"name": "x"}]}, "'image'", id="another name"),
        pytest.param({"inputs": [GOOD | {"datatype": "FP32"}]}, "scales them", id="FP32"),
        pytest.param({"inputs": [GOOD | {"datatype": "FP16"}]}, "UINT8", id="FP16"),
        pytest.param({"inputs": [GOOD | {"datatype": "INT8"}]}, "UINT8", id="INT8"),
        pytest.param({"inputs": [GOOD | {"shape": [64, 64, 3]}]}, "[N, 64, 64, 3]", id="no N"),
        pytest.param({"inputs": [GOOD | {"shape": [1, 3, 64, 64]}]}, "[N, 64, 64, 3]", id="NCHW"),
        pytest.param({"inputs": [GOOD | {"shape": [0, 64, 64, 3]}]}, "shape", id="no image"),
        pytest.param({"inputs": [GOOD | {"shape": [-1, 64, 64, 3]}]}, "shape", id="minus one"),
        pytest.param({"inputs": [GOOD | {"shape": [2**62, 64, 64, 3]}]}, "64", id="a huge one"),
        pytest.param({"inputs": [GOOD | {"shape": [2**70, 64, 64, 3]}]}, "64", id="huger"),
        pytest.param({"inputs": [GOOD | {"shape": [1] * 5000}]}, "bytes", id="a long shape"),
        pytest.param({"inputs": [GOOD | {"shape": "x"}]}, "shape", id="no shape"),
        pytest.param({"inputs": [GOOD | {"shape": [2, 64, 64, 3]}]}, "shape", id="too few"),
        pytest.param({"inputs": [GOOD | {"data": [0.5] * 12288}]}, "whole", id="fractions"),
        pytest.param({"inputs": [GOOD | {"data": [256] * 12288}]}, "255", id="too bright"),
        pytest.param({"inputs": [GOOD | {"data": None}]}, "whole", id="null"),
        pytest.param({"inputs": [GOOD | {"data": {"a": 1}}]}, "whole", id="an object"),
        pytest.param({"inputs": [pixel_input(1)]}, "neither", id="no data"),
        pytest.param(
            {"inputs": [pixel_input(1, parameters={"binary_data_size": 12288})]},
            "follow",
            id="binary data that isn't there",
        ),
        pytest.param(
            {"inputs": [pixel_input(1, parameters={"shared_memory_region": "x"})]},
            "shared memory",
            id="shared memory",
        ),
        pytest.param({"inputs": [encoded_input(1, data=["!"])]}, "base64", id="no base64"),
        pytest.param({"inputs": [encoded_input(1, data=[5])]}, "BYTES", id="a number for bytes"),
        pytest.param({"inputs": [encoded_input(2, data=[""])]}, "1 elements", id="one too few"),
        pytest.param({"inputs": [GOOD], "outputs": [{"name": "x"}]}, "output 'x'", id="output"),
        pytest.param(
            {"inputs": [GOOD], "outputs": [{"name": "probabilities"}] * 2}, "2 times", id="twice"
        ),
        pytest.param(
            {
                "inputs": [GOOD],
                "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}],
            },
            ">= 0",
            id="fewer than no classes",
        ),
        pytest.param({"inputs": [GOOD], "parameters": {"a": [1]}}, "parameters", id="nested"),
        pytest.param({"inputs": [GOOD], "parameters": {"timeout": "1"}}, "micro", id="time-out"),
        pytest.param(
            {"inputs": [GOOD], "parameters": {"timeout": -1}}, "micro", id="a negative one"
        ),
        pytest.param({"inputs": [GOOD], "parameters": {"timeout": True}}, "micro", id="a true one"),
        pytest.param(
            {"inputs": [GOOD], "parameters": {"binary_data_output": "yes"}}, "true", id="yes"
        ),
        pytest.param(
            {"inputs": [GOOD], "parameters": dict.fromkeys(map(str, range(2000)), 0)},
            "bytes",
            id="many parameters",
        ),
    ],
)
def test_a_senseless_request_is_400_with_a_reason(
    client: FlaskClient, engine: FakeEngine, body: object, reason: str
) -> None:
    response = client.post(INFER, json=body)
    assert response.status_code == 400
    assert reason in response.get_json()["error"]
    assert engine.seen == []


@pytest.mark.parametrize(
    ("tensor", "binary", "reason"),
    [
        pytest.param(pixel_input(2), bytes(12288), "24,576 bytes", id="half the pixels"),
        pytest.param(pixel_input(1), bytes(12289), "12,288 bytes", id="a byte too many"),
        pytest.param(encoded_input(1), b"\1\0\0", "before element 0", id="half a length"),
        pytest.param(encoded_input(1), b"\xff\xff\xff\xff", "4,294,967,295", id="a lying length"),
        pytest.param(encoded_input(2), element(b""), "before element 1", id="one element short"),
        pytest.param(encoded_input(1), element(b"") + b"x", "1 bytes follow", id="bytes left"),
        pytest.param(encoded_input(1), element(b""), "empty", id="an empty image"),
    ],
)
def test_binary_data_that_does_not_fit_is_refused(
    client: FlaskClient, tensor: dict[str, Any], binary: bytes, reason: str
) -> None:
    response = send_binary(client, tensor, binary)
    assert response.status_code == 400
    assert reason in response.get_json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "99999999", "9" * 40, "²"])
def test_a_header_length_that_lies_is_refused(client: FlaskClient, length: str) -> None:
    response = client.post(INFER, data=b"{}", headers={LENGTH: length})
    assert response.status_code == 400


def test_a_size_that_lies_is_refused(client: FlaskClient) -> None:
    for size in (0, -5, 12287, 2**63):
        tensor = pixel_input(1, parameters={"binary_data_size": size})
        response = send(client, {"inputs": [tensor]}, bytes(12288))
        assert response.status_code == 400
        assert LENGTH in response.get_json()["error"]


def test_bytes_that_no_input_claims_are_refused(client: FlaskClient) -> None:
    response = send(client, {"inputs": [GOOD]}, b"rest")
    assert "no input claims" in response.get_json()["error"]


@pytest.mark.parametrize("size", [0, 1, 12289])
def test_a_raw_body_that_is_no_whole_image_is_refused_and_told_how_to_send_one(
    client: FlaskClient, size: int
) -> None:
    response = client.post(INFER, data=bytes(size), headers={LENGTH: "0"})
    assert response.status_code == 400
    assert "image/jpeg" in response.get_json()["error"]


@pytest.mark.parametrize("way", ["json", "binary", "raw", "bytes"])
def test_too_many_images_are_400_as_the_protocol_calls_what_is_wrong_with_tensors(
    client: FlaskClient, way: str
) -> None:
    if way == "json":
        response = client.post(INFER, json={"inputs": [pixel_input(65, data=[])]})
    elif way == "binary":
        response = send_binary(client, pixel_input(65), bytes(65 * 12288))
    elif way == "bytes":
        response = send_binary(client, encoded_input(65), 65 * element(b""))
    else:
        response = client.post(INFER, data=bytes(65 * 12288), headers={LENGTH: "0"})
    assert response.status_code == 400
    assert "at most 64" in response.get_json()["error"]


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [' + '{"name":"","shape":0,"datatype":"","data":0},' * 100_000 + "0]}",
        '{"inputs": [{"name":"image","datatype":"UINT8","shape":[1,64,64,3],"data":'
         "[" + "[]," * 1_000_000 + "[]]}]}",
        '{"inputs": [{"name":"image","datatype":"UINT8","shape":[' + "1," * 1_000_000 + "1]}]}",
        '{"inputs": [{"name":"image","datatype":"BYTES","shape":[1],"data":['
         + '"",' * 1_000_000 + '""]}]}',
        '{"inputs": [{"name":"image","datatype":"BYTES","shape":[64,1],"data":['
         + '["ab"],' * 1_000_000 + '["ab"]]}]}',
        '{"inputs": [{"name":"image","datatype":"UINT8","shape":[64,64,64,3],"data":['
         + "1," * 1_000_000 + "1]}]}",
        '{"inputs": ' + "[" * 1_000_000,
        '{"inputs": [{"name":"image","datatype":"UINT8","shape":[1,64,64,3],"data":0}],'
        '"parameters":{' + ",".join(f'"{n}":0' for n in range(300_000)) + "}}",
    ],
    ids=["inputs", "data", "shape", "texts", "columns", "numbers", "depth", "parameters"],
)  # fmt: skip
def test_a_body_that_would_become_many_objects_costs_no_more_memory_than_its_text(
    client: FlaskClient, text: str
) -> None:
    body = text.encode()
    client.post(INFER, data=body)
    tracemalloc.start()
    response = client.post(INFER, data=body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 400
    assert peak < 6 * len(body)
