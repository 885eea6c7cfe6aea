"""One image through every dialect and form gives the probabilities of ONNX Runtime alone."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from imaging import decode_image
from tests.system.running import jpeg
from tests.system.two_versions import TwoVersions, two_versions

pytestmark = pytest.mark.system

IMAGE = jpeg(3)
LARGE = jpeg(4, (900, 700))
V1, V2 = "/v1/models/resnet50", "/v2/models/resnet50"
LENGTH = "Inference-Header-Content-Length"

Row = NDArray[np.float32]
Ask = Callable[[str, bytes], Row]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoVersions]:
    with two_versions(tmp_path_factory.mktemp("dialects")) as found:
        yield found


def post(url: str, **arguments: Any) -> requests.Response:
    response = requests.post(url, timeout=20, **arguments)
    assert response.status_code == 200, response.text
    assert response.headers["Model-Version"] == "2"
    return response


def text_of(image: bytes) -> str:
    return base64.b64encode(image).decode()


def pixels_of(image: bytes) -> Any:
    return decode_image(image)[np.newaxis]


def scores(lines: list[dict[str, Any]]) -> Row:
    """Return the scores of a full answer of the simple dialect in the order of the classes."""
    by_index = {int(each["wnid"][1:]): each["score"] for each in lines}
    return np.array([by_index[index] for index in range(200)], np.float32)


def simple(**how: Callable[[bytes], Any]) -> Ask:
    def ask(url: str, image: bytes) -> Row:
        arguments = {name: make(image) for name, make in how.items()}
        answer = post(f"{url}/predict?top=200", **arguments).json()
        return scores(answer[0] if isinstance(answer[0], list) else answer)

    return ask


def at_the_address(url: str, image: bytes) -> Row:
    return scores(post(f"{url}/?top=200", data=image).json())


def v1(body: Callable[[bytes], Any]) -> Ask:
    def ask(url: str, image: bytes) -> Row:
        answer = post(f"{url}{V1}:predict", json=body(image)).json()
        assert answer["model_version"] == "2"
        return np.array(answer.get("predictions", answer.get("outputs"))[0], np.float32)

    return ask


def classify(url: str, image: bytes) -> Row:
    body = {"examples": [{"image": {"b64": text_of(image)}}]}
    (pairs,) = post(f"{url}{V1}:classify", json=body).json()["results"]
    found = {int(label.split()[1]): score for label, score in pairs}
    return np.array([found[index] for index in range(200)], np.float32)


def v2_json(data: Callable[[bytes], Any], datatype: str, shape: list[int]) -> Ask:
    def ask(url: str, image: bytes) -> Row:
        tensor = {"name": "image", "datatype": datatype, "shape": shape, "data": data(image)}
        answer = post(f"{url}{V2}/infer", json={"inputs": [tensor]}).json()
        assert answer["model_version"] == "2"
        return np.array(answer["outputs"][0]["data"], np.float32)

    return ask


def v2_binary(data: Callable[[bytes], bytes], datatype: str, shape: list[int]) -> Ask:
    def ask(url: str, image: bytes) -> Row:
        content = data(image)
        size = {"binary_data_size": len(content)}
        tensor = {"name": "image", "datatype": datatype, "shape": shape, "parameters": size}
        wanted = {"binary_data_output": True}
        head = json.dumps({"inputs": [tensor], "parameters": wanted}).encode()
        headers = {LENGTH: str(len(head))}
        return binary_answer(post(f"{url}{V2}/infer", data=head + content, headers=headers))

    return ask


def binary_answer(response: requests.Response) -> Row:
    return np.frombuffer(response.content[int(response.headers[LENGTH]) :], "<f4")


def raw(data: Callable[[bytes], bytes], **headers: str) -> Ask:
    def ask(url: str, image: bytes) -> Row:
        sent = {LENGTH: "0", **headers}
        return binary_answer(post(f"{url}{V2}/infer", data=data(image), headers=sent))

    return ask


def packed(url: str, image: bytes) -> Row:
    headers = {"Content-Encoding": "gzip"}
    return scores(post(f"{url}/predict?top=200", data=gzip.compress(image), headers=headers).json())


WAYS: dict[str, Ask] = {
    "bytes": simple(data=lambda image: image),
    "bytes at the service's address": at_the_address,
    "bytes, packed": packed,
    "form": simple(files=lambda image: {"image": image}),
    "form with several": simple(files=lambda image: [("image", image), ("image", IMAGE)]),
    "JSON": simple(json=lambda image: {"image": text_of(image)}),
    "JSON with several": simple(json=lambda image: {"images": [text_of(image), text_of(IMAGE)]}),
    "v1 rows, encoded": v1(lambda image: {"instances": [{"b64": text_of(image)}]}),
    "v1 rows, pixels": v1(lambda image: {"instances": pixels_of(image).tolist()}),
    "v1 columns, encoded": v1(lambda image: {"inputs": {"image": [{"b64": text_of(image)}]}}),
    "v1 columns, pixels": v1(lambda image: {"inputs": pixels_of(image).tolist()}),
    "v1 classify": classify,
    "v2 JSON, pixels": v2_json(lambda image: pixels_of(image).tolist(), "UINT8", [1, 64, 64, 3]),
    "v2 JSON, flat pixels": v2_json(
        lambda image: pixels_of(image).ravel().tolist(), "UINT8", [1, 64, 64, 3]
    ),
    "v2 JSON, encoded": v2_json(lambda image: [text_of(image)], "BYTES", [1]),
    "v2 binary, pixels": v2_binary(
        lambda image: pixels_of(image).tobytes(), "UINT8", [1, 64, 64, 3]
    ),
    "v2 binary, encoded": v2_binary(
        lambda image: struct.pack("<I", len(image)) + image, "BYTES", [1, 1]
    ),
    "v2 raw, pixels": raw(lambda image: pixels_of(image).tobytes()),
    "v2 raw, encoded": raw(lambda image: image, **{"Content-Type": "image/jpeg"}),
}


@pytest.mark.parametrize("image", [IMAGE, LARGE], ids=["64×64", "a larger one"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_what_onnx_runtime_alone_gives(
    running: TwoVersions, way: str, image: bytes
) -> None:
    found = WAYS[way](running.url, image)
    np.testing.assert_allclose(found, running.probabilities(image), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "path",
    [
        "/predict?version=1&top=200",
        "/predict?label=production&top=200",
        f"{V2}/versions/1/infer",
        f"{V2}/labels/production/infer",
    ],
)
def test_a_version_is_named_by_number_or_label(running: TwoVersions, path: str) -> None:
    headers = {LENGTH: "0", "Content-Type": "image/jpeg"}
    response = requests.post(running.url + path, data=IMAGE, headers=headers, timeout=20)
    assert response.headers["Model-Version"] == "1"
    found = scores(response.json()) if "predict" in path else binary_answer(response)
    np.testing.assert_allclose(found, running.probabilities(IMAGE, 1), rtol=1e-5, atol=1e-7)


def test_many_images_of_one_request_keep_their_order(running: TwoVersions) -> None:
    images = [jpeg(seed) for seed in range(16)]
    body = {"instances": [{"b64": text_of(each)} for each in images]}
    found = post(f"{running.url}{V1}:predict", json=body).json()["predictions"]
    expected = [running.probabilities(each) for each in images]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_statistics_count_requests_of_all_workers(running: TwoVersions) -> None:
    def success() -> int:
        stats = running.service.get(f"{V2}/versions/1/stats")["model_stats"][0]
        assert stats["inference_stats"]["queue"]["count"] == stats["inference_count"]
        return int(stats["inference_stats"]["success"]["count"])

    before = success()
    for _ in range(20):  # each on a connection of its own, so that all workers get some
        running.service.predict(params={"version": 1})
    assert success() == before + 20
