"""`POST /predict` in its three forms."""

from __future__ import annotations

import base64
import io
import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from service.errors import EngineUnavailable, Overloaded
from service.metrics import REGISTRY
from service.settings import Settings
from service.web.app import create_app
from tests.service.fakes import FakeEngine, sure_of


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_raw_bytes_give_the_five_best_classes_first(client: FlaskClient, png: bytes) -> None:
    response = client.post("/predict", data=png)
    assert response.status_code == 200
    best, *others = response.get_json()
    assert best.keys() == {"label", "score", "wnid"}
    assert (best["label"], best["wnid"]) == ("class 3", "n00000003")
    assert len(others) == 4
    scores = [each["score"] for each in [best, *others]]
    assert scores == sorted(scores, reverse=True)


def test_the_answer_names_the_version_that_gave_it(client: FlaskClient, png: bytes) -> None:
    assert client.post("/predict", data=png).headers["Model-Version"] == "3"


def test_the_model_sees_the_very_pixels_that_were_sent(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: np.ndarray
) -> None:
    client.post("/predict", data=png)
    (seen,) = engine.seen
    assert seen.dtype == np.uint8
    assert (seen == pixels[np.newaxis]).all()


@pytest.mark.parametrize("content_type", ["image/png", "application/x-www-form-urlencoded", None])
def test_raw_bytes_are_taken_whatever_their_type_says(
    client: FlaskClient, png: bytes, content_type: str | None
) -> None:
    assert client.post("/predict", data=png, content_type=content_type).status_code == 200


@pytest.mark.parametrize("field", ["image", "file"])
def test_a_form_upload_is_taken(client: FlaskClient, png: bytes, field: str) -> None:
    response = client.post("/predict", data={field: (io.BytesIO(png), "a.png")})
    assert response.status_code == 200
    assert response.get_json()[0]["label"] == "class 3"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"image": text},
        lambda text: {"inputs": text},
        lambda text: {"image": {"b64": text}},
        lambda text: {"image": "data:image/png;base64," + text},
    ],
)
def test_base64_in_json_is_taken(client: FlaskClient, png: bytes, wrap: object) -> None:
    assert callable(wrap)
    response = client.post("/predict", json=wrap(encoded(png)))
    assert response.status_code == 200
    assert response.get_json()[0]["label"] == "class 3"


def test_the_services_address_alone_predicts_too(client: FlaskClient, png: bytes) -> None:
    assert client.post("/", data=png).get_json() == client.post("/predict", data=png).get_json()


def test_json_is_taken_as_such_also_without_its_type(client: FlaskClient, png: bytes) -> None:
    response = client.post("/predict", data=json.dumps({"image": encoded(png)}))
    assert response.status_code == 200


def other_png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("way", ["images", "inputs", "objects", "form"])
def test_several_images_get_several_answers_in_their_order(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: np.ndarray, way: str
) -> None:
    other = other_png()
    texts = [encoded(png), encoded(other)]
    sent: dict[str, dict[str, object]] = {
        "images": {"json": {"images": texts}},
        "inputs": {"json": {"inputs": texts}},
        "objects": {"json": {"images": [{"b64": text} for text in texts]}},
        "form": {"data": {"image": [(io.BytesIO(each), "x") for each in (png, other)]}},
    }
    response = client.post("/predict?top=2", **sent[way])
    assert [len(each) for each in response.get_json()] == [2, 2]
    (seen,) = engine.seen
    assert (seen[0] == pixels).all()
    assert (seen[1] == (1, 2, 3)).all()


def test_a_list_of_one_is_answered_by_a_list_of_one(client: FlaskClient, png: bytes) -> None:
    (answer,) = client.post("/predict", json={"images": [encoded(png)]}).get_json()
    assert answer[0]["label"] == "class 3"


@pytest.mark.parametrize("way", ["json", "form"])
def test_too_many_images_are_413(client: FlaskClient, way: str) -> None:
    files = [(io.BytesIO(b"x"), "x") for _ in range(65)]
    sent = {"json": {"images": [""] * 65}} if way == "json" else {"data": {"image": files}}
    response = client.post("/predict", **sent)
    assert response.status_code == 413
    assert "at most 64" in response.get_json()["error"]


@pytest.mark.parametrize("field", ["images", "inputs"])
@pytest.mark.parametrize("element", [b'""', b'"ab"', b'{"b64":"ab"}'])
def test_images_without_end_cost_no_more_memory_than_their_text(
    client: FlaskClient, field: str, element: bytes
) -> None:
    body = b'{"%s": [%s]}' % (field.encode(), b",".join([element] * 500_000))
    client.post("/predict", data=body)
    tracemalloc.start()
    response = client.post("/predict", data=body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 413
    assert "more than 64 images" in response.get_json()["error"]
    assert peak < 4 * len(body)


def test_of_several_images_the_damaged_one_is_named(client: FlaskClient, png: bytes) -> None:
    response = client.post("/predict", json={"images": [encoded(png), encoded(b"hello")]})
    assert response.get_json()["error"].startswith("image 1: ")


def test_many_images_are_decoded_where_they_hold_nobody_up(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    assert client.post("/predict", json={"images": [encoded(png)] * 9}).status_code == 200
    assert engine.decoded == [9]


def photo(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def decoded_so_far() -> float:
    return REGISTRY.get_sample_value("hotshelf_decode_duration_seconds_count") or 0.0


def test_no_image_is_decoded_twice_because_a_later_one_is_large(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: np.ndarray
) -> None:
    before = decoded_so_far()
    images = [png] * 6 + [photo(800, 600), png]
    response = client.post("/predict", json={"images": [encoded(each) for each in images]})
    assert response.status_code == 200
    assert engine.decoded == [2], "the large one and those after it"
    assert decoded_so_far() == before + 8
    (seen,) = engine.seen
    assert all((seen[index] == pixels).all() for index in (0, 5, 7))


def test_a_long_file_is_read_where_it_holds_nobody_up(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    assert client.post("/predict", data=png + bytes(300_000)).status_code == 200
    assert engine.decoded == [1]


def test_the_images_of_a_request_have_a_limit_of_pixels_together(
    engine: FakeEngine,
) -> None:
    client = create_app(Settings(max_pixels=100_000), engine).test_client()
    texts = [encoded(photo(300, 300))] * 5
    assert client.post("/predict", json={"images": texts[:4]}).status_code == 200
    response = client.post("/predict", json={"images": texts})
    assert response.status_code == 413
    reason = response.get_json()["error"]
    assert reason.startswith("image 4: the image has 300×300")
    assert reason.endswith("the images of one request may have 400,000 pixels together")


def test_where_too_many_images_wait_to_be_decoded_it_is_429(
    client: FlaskClient, engine: FakeEngine
) -> None:
    def full(work: object, *, images: int) -> object:
        raise Overloaded("256 images wait to be decoded already")

    engine.decode = full  # type: ignore[method-assign, assignment]
    response = client.post("/predict", data=photo(800, 600))
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("query", ["version=2", "label=production"])
def test_a_version_is_named_by_number_or_label(client: FlaskClient, png: bytes, query: str) -> None:
    assert client.post(f"/predict?{query}", data=png).headers["Model-Version"] == "2"


@pytest.mark.parametrize("query", ["version=9", "label=nobody"])
def test_a_version_that_is_not_served_is_404(client: FlaskClient, png: bytes, query: str) -> None:
    assert client.post(f"/predict?{query}", data=png).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["version=0", "version=x", f"version={10**18}", "label=", "version=2&label=production"],
)
def test_a_senseless_version_is_refused(client: FlaskClient, png: bytes, query: str) -> None:
    assert client.post(f"/predict?{query}", data=png).status_code == 400


def test_hugging_faces_parameters_are_heeded(client: FlaskClient, png: bytes) -> None:
    body = {"inputs": encoded(png), "parameters": {"top_k": 2, "function_to_apply": "softmax"}}
    assert len(client.post("/predict", json=body).get_json()) == 2
    assert len(client.post("/predict?top=4", json=body).get_json()) == 4


@pytest.mark.parametrize(
    "parameters", [{"top_k": 0}, {"top_k": "2"}, {"function_to_apply": "sigmoid"}, 5]
)
def test_parameters_that_cannot_be_heeded_are_refused(
    client: FlaskClient, png: bytes, parameters: object
) -> None:
    body = {"inputs": encoded(png), "parameters": parameters}
    response = client.post("/predict", json=body)
    assert response.status_code == 400
    assert "parameters" in response.get_json()["error"]


def test_scores_are_the_models_own_and_not_rounded(client: FlaskClient, png: bytes) -> None:
    (best,) = client.post("/predict?top=1", data=png).get_json()
    assert best["score"] == float(sure_of(3, 1)[0, 3])


@pytest.mark.parametrize(("top", "lines"), [(1, 1), (7, 7), (1000, 10)])
def test_top_says_how_many(client: FlaskClient, png: bytes, top: int, lines: int) -> None:
    assert len(client.post(f"/predict?top={top}", data=png).get_json()) == lines


@pytest.mark.parametrize("top", ["0", "-1", "x", "1.5", "", "99999999999999999999", "²"])
def test_a_senseless_top_is_refused(client: FlaskClient, png: bytes, top: str) -> None:
    response = client.post("/predict", query_string={"top": top}, data=png)
    assert response.status_code == 400
    assert "top" in response.get_json()["error"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param({"data": b""}, "empty", id="nothing"),
        pytest.param({"data": b"hello"}, "not an image", id="text"),
        pytest.param({"data": b"\xff\xd8\xff\xe0"}, "image", id="the start of a JPEG"),
        pytest.param({"json": {"image": "*"}}, "base64", id="not base64"),
        pytest.param({"json": {"image": 5}}, "$.image", id="a number"),
        pytest.param({"json": {"picture": ""}}, "image", id="a wrong field"),
        pytest.param({"json": ["x"]}, "image", id="a list"),
        pytest.param(
            {"data": b"{", "content_type": "application/json"}, "JSON", id="half a JSON text"
        ),
        pytest.param(
            {"data": b"\xff\xfe", "content_type": "application/json"}, "JSON", id="not even text"
        ),
        pytest.param({"data": {"photo": (io.BytesIO(b"x"), "x")}}, "photo", id="a wrong form"),
        pytest.param(
            {"data": b"junk", "content_type": "multipart/form-data"}, "image", id="no boundary"
        ),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(
    client: FlaskClient, arguments: dict[str, object], reason: str
) -> None:
    response = client.post("/predict", **arguments)
    assert response.status_code == 400
    assert reason in response.get_json()["error"]


def test_a_truncated_image_is_refused(client: FlaskClient, png: bytes) -> None:
    response = client.post("/predict", data=png[: len(png) // 2])
    assert response.status_code == 400
    assert "damaged" in response.get_json()["error"]


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that announces a size and holds hardly any of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_decoding(
    client: FlaskClient, engine: FakeEngine
) -> None:
    response = client.post("/predict", data=png_header(50_000, 50_000))
    assert response.status_code == 413
    assert "pixels" in response.get_json()["error"]


def test_a_large_photo_is_decoded_off_the_event_loop(
    client: FlaskClient, engine: FakeEngine
) -> None:
    assert client.post("/predict", data=photo(800, 600)).status_code == 200
    assert engine.decoded == [1]
    assert engine.seen[0].shape == (1, 64, 64, 3)


def test_a_full_queue_is_429_with_when_to_retry(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    engine.error = Overloaded("the queue is full")
    response = client.post("/predict", data=png)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "1"
    assert response.get_json() == {"error": "the queue is full"}


def test_an_absent_engine_is_503(client: FlaskClient, engine: FakeEngine, png: bytes) -> None:
    engine.error = EngineUnavailable("starting")
    assert client.post("/predict", data=png).status_code == 503


def test_a_bug_of_ours_is_500_in_json_without_its_details(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    def broken(images: object, version: object) -> object:
        raise RuntimeError("secret detail")

    engine.infer = broken  # type: ignore[method-assign, assignment]
    response = client.post("/predict", data=png)
    assert response.status_code == 500
    assert "secret" not in response.get_json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/x", 404)]
)
def test_flasks_own_errors_are_json_too(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert set(response.get_json()) == {"error"}
    assert status != 405 or "POST" in response.headers["Allow"]
