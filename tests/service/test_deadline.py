from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient

from service.web.deadline import NEVER
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


@pytest.mark.parametrize("headers", [{}, {"Prefer": "return=minimal"}])
def test_a_request_that_says_nothing_has_the_services_time(
    client: FlaskClient, engine: FakeEngine, png: bytes, headers: dict[str, str]
) -> None:
    client.post("/predict", data=png, headers=headers)
    assert engine.deadlines == [NEVER]


def test_one_requests_deadline_is_not_the_next_ones(
    client: FlaskClient, engine: FakeEngine, png: bytes
) -> None:
    for query in ("?timeout=5", ""):
        client.post(f"/predict{query}", data=png)
    assert engine.deadlines[1] == NEVER


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e999", "9" * 400])
def test_what_is_no_time_is_refused(client: FlaskClient, png: bytes, text: str) -> None:
    for query, headers in ((f"?timeout={text}", {}), ("", {"Request-Timeout": text})):
        answer = client.post(f"/predict{query}", data=png, headers=headers)
        assert answer.status_code == 400
        assert "seconds" in answer.text
