"""Compressed requests and answers."""

from __future__ import annotations

import gzip
import random
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from flask.testing import FlaskClient

from service.settings import Settings
from service.web.compression import PIECE_BYTES, unpack
from tests.service.fakes import FakeEngine

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
MB = 1_000_000


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_a_packed_image_is_unpacked(
    client: FlaskClient, engine: FakeEngine, png: bytes, pixels: np.ndarray, encoding: str
) -> None:
    packed = PACK[encoding.lower().removeprefix("x-")](png)
    response = client.post("/predict", data=packed, headers={"Content-Encoding": encoding})
    assert response.status_code == 200
    assert (engine.seen[0] == pixels).all()


def form(image: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return head + image + b"\r\n--x--\r\n"


FORM_TYPE = "multipart/form-data; boundary=x"


def test_a_packed_form_is_unpacked(client: FlaskClient, png: bytes) -> None:
    response = client.post(
        "/predict",
        data=gzip.compress(form(png)),
        content_type=FORM_TYPE,
        headers={"Content-Encoding": "gzip"},
    )
    assert response.status_code == 200


def test_gzip_in_several_pieces_is_one_body(client: FlaskClient, png: bytes) -> None:
    packed = gzip.compress(png[:100]) + gzip.compress(png[100:])
    response = client.post("/predict", data=packed, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200


def test_a_body_packed_in_blocks_is_one_body(client: FlaskClient, png: bytes) -> None:
    body = png + bytes(10 * MB)
    blocks = (gzip.compress(body[at : at + 65_280]) for at in range(0, len(body), 65_280))
    headers = {"Content-Encoding": "gzip"}
    response = client.post("/predict", data=b"".join(blocks), headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_files_strung_together_without_end_are_413(client: FlaskClient, encoding: str) -> None:
    body = PACK[encoding](b"") * 200_000
    response = client.post("/predict", data=body, headers={"Content-Encoding": encoding})
    assert response.status_code == 413
    assert "strung together" in response.get_json()["error"]


def test_a_piece_may_end_anywhere_in_a_packed_body() -> None:
    body = random.Random(1).randbytes(PIECE_BYTES)
    for cut in (0, 1, 9, 17, 30):
        packed = gzip.compress(body[cut:]) + gzip.compress(body[:cut]) + gzip.compress(b"")
        assert unpack(packed, "gzip", most=MB) == body[cut:] + body[:cut]


def test_a_bomb_is_refused_before_it_fills_the_memory(client: FlaskClient) -> None:
    bomb = gzip.compress(bytes(500 * MB), 1)
    tracemalloc.start()
    response = client.post("/predict", data=bomb, headers={"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 413
    assert peak < 4 * Settings().max_body_mb * MB


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("damage", [lambda data: b"x" + data, lambda data: data[:-3]])
def test_a_damaged_body_is_400(
    client: FlaskClient, png: bytes, encoding: str, damage: Callable[[bytes], bytes]
) -> None:
    packed = damage(PACK[encoding](png))
    response = client.post("/predict", data=packed, headers={"Content-Encoding": encoding})
    assert response.status_code == 400
    assert encoding in response.get_json()["error"]


def test_an_unknown_encoding_is_415_and_told_which_are_known(client: FlaskClient) -> None:
    response = client.post("/predict", data=b"x", headers={"Content-Encoding": "zstd"})
    assert response.status_code == 415
    assert "gzip" in response.get_json()["error"]


def infer(client: FlaskClient, accept: str, *, binary: bool) -> bytes:
    """Ask for 64 answers, which are long; return the answer unpacked, checked to be packed."""
    tensor = {"name": "image", "datatype": "UINT8", "shape": [64, 64, 64, 3]}
    body = {
        "inputs": [tensor | {"data": [0] * 64 * 12288}],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": binary}}],
    }
    headers = {"Accept-Encoding": accept}
    response = client.post("/v2/models/resnet50/infer", json=body, headers=headers)
    assert response.status_code == 200
    encoding = response.headers.get("Content-Encoding", "")
    if not encoding:
        return b""
    return zlib.decompress(response.data, 47 if encoding == "gzip" else 15)


@pytest.mark.parametrize("accept", ["gzip", "deflate", "br, gzip;q=0.5"])
def test_a_long_answer_is_packed_for_who_takes_that(client: FlaskClient, accept: str) -> None:
    assert infer(client, accept, binary=False).startswith(b'{"model_name"')


@pytest.mark.parametrize("accept", ["", "br", "identity", "gzip;q=0"])
def test_nobody_gets_what_they_do_not_take(client: FlaskClient, accept: str) -> None:
    assert infer(client, accept, binary=False) == b""


def test_a_short_answer_stays_as_it_is(client: FlaskClient, png: bytes) -> None:
    response = client.post("/predict", data=png, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers


def test_uploads_need_no_temporary_file(
    client: FlaskClient, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    body = form(png + bytes(2 * MB))
    response = client.post("/predict", data=body, content_type=FORM_TYPE)
    assert response.status_code == 200
