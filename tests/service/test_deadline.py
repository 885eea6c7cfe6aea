from __future__ import annotations

import base64
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from service.web.app import create_app
from service.web.deadline import allow
from tests.service.fakes import FakeEngine


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (("?timeout=2.5", {}), 2.5),
        (("", {"Request-Timeout": "3"}), 3),
        (("", {"Prefer": "respond-async, wait=4"}), 4),
        (("", {"Prefer": 'Wait="4"'}), 4),
        (("?timeout=9", {"Request-Timeout": "3", "Prefer": "wait=5"}), 3),
    ],
)
def test_a_request_says_how_long_it_may_take(
    client: FlaskClient,
    engine: FakeEngine,
    png: bytes,
    said: tuple[str, dict[str, str]],
    seconds: float,
) -> None:
    query, headers = said
    before = time.monotonic()
    assert client.post(f"/predict{query}", data=png, headers=headers).status_code == 200
    (deadline,) = engine.deadlines
    assert before + seconds <= deadline <= time.monotonic() + seconds


@pytest.mark.parametrize("headers", [{}, {"Prefer": "return=minimal"}, {"Request-Timeout": "60"}])
def test_a_request_that_says_nothing_shorter_has_the_services_time_from_its_arrival(
    engine: FakeEngine, png: bytes, headers: dict[str, str]
) -> None:
    client = create_app(Settings(timeout_s=5.0), engine).test_client()
    before = time.monotonic()
    client.post("/predict", data=png, headers=headers)
    (until,) = engine.deadlines
    assert before + 5 <= until <= time.monotonic() + 5


def test_one_requests_deadline_is_not_the_next_ones(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    for query in ("?timeout=5", ""):
        client.post(f"/predict{query}", data=png)
    assert engine.deadlines[1] > engine.deadlines[0] + 4


def test_a_dialects_own_time_counts_from_the_arrival_too(
    client: FlaskClient, engine: FakeEngine
) -> None:
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 64, 64, 3], "data": [0] * 12288}
    body = {"inputs": [tensor], "parameters": {"timeout": 3_000_000}}
    for query, seconds in (("", 3), ("?timeout=2", 2)):
        before = time.monotonic()
        client.post(f"/v2/models/resnet50/infer{query}", json=body)
        assert before + seconds <= engine.deadlines[-1] <= time.monotonic() + seconds


def test_nothing_is_decoded_after_the_deadline(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    response = client.post("/predict?timeout=0.000001", data=png)
    assert response.status_code == 504
    assert "1 of 1 images" in response.get_json()["error"]
    assert engine.seen == []


def test_decoding_stops_between_images_at_the_deadline(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    def late(work: Callable[[], object], *, images: int) -> object:
        allow(0.0)
        return work()

    engine.decode = late  # type: ignore[method-assign, assignment]
    text = base64.b64encode(png).decode()
    large = base64.b64encode(png + bytes(300_000)).decode()
    response = client.post("/predict", json={"images": [text, text, large]})
    assert response.status_code == 504
    assert "1 of 3 images" in response.get_json()["error"]


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e999", "9" * 400])
def test_what_is_no_time_is_refused(client: FlaskClient, png: bytes, text: str) -> None:
    for query, headers in ((f"?timeout={text}", {}), ("", {"Request-Timeout": text})):
        answer = client.post(f"/predict{query}", data=png, headers=headers)
        assert answer.status_code == 400
        assert "seconds" in answer.text
