"""What people send by mistake or malice: a 4xx in JSON each, and memory stays as it was."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
import requests

from model_store import open_store
from tests.system.running import Service, jpeg, publish, service

pytestmark = pytest.mark.system

MB = 1_000_000
MEMORY_SLACK_MB = 40


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("uploads")
    store = open_store(f"file://{folder / 'shelf'}")
    publish(store, folder / "1", favours=1)
    with service(store.url, folder / "run") as started:
        yield started


def png_bomb(width: int, height: int) -> bytes:
    """Return a valid PNG of zeros: a few megabytes that would take gigabytes to decode."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def stream(size: int) -> Iterator[bytes]:
    """Yield so many bytes without saying beforehand how many there will be."""
    piece = bytes(MB)
    for _ in range(size // MB):
        yield piece


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, lambda: b"hello, I am a text", id="text"),
        pytest.param(400, lambda: b"", id="empty"),
        pytest.param(400, lambda: jpeg(size=(400, 400))[:5000], id="half an image"),
        pytest.param(413, lambda: bytes(100 * MB), id="100 MB"),
        pytest.param(413, lambda: stream(100 * MB), id="100 MB of unknown length"),
        pytest.param(413, lambda: png_bomb(50_000, 50_000), id="a PNG bomb"),
        pytest.param(400, lambda: zlib.compress(bytes(10 * MB)), id="compressed nothing"),
    ],
)
def test_a_wrong_upload_is_refused_in_json_and_costs_no_memory(
    running: Service, status: int, body: Callable[[], bytes | Iterator[bytes]]
) -> None:
    assert running.predict().ok
    before = running.memory_mb()
    for _ in range(3):
        answer = requests.post(f"{running.url}/predict", data=body(), timeout=60)
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}
    assert running.memory_mb() < before + MEMORY_SLACK_MB
    assert running.predict().ok


def test_the_same_through_tensorflow_servings_dialect(running: Service) -> None:
    url = f"{running.url}/v1/models/resnet50:predict"
    huge = json.dumps({"instances": [[0] * 10_000_000]})
    for body, status in (("{", 400), ("[]", 400), (huge, 413), ('{"instances": [[1]]}', 400)):
        answer = requests.post(url, data=body, timeout=60)
        assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert running.predict().ok


def test_a_client_that_leaves_halfway_does_no_harm(running: Service) -> None:
    def half() -> Iterator[bytes]:
        yield jpeg()[:100]
        raise LookupError

    for _ in range(20):
        with pytest.raises(LookupError):
            requests.post(f"{running.url}/predict", data=half(), timeout=10)
    assert running.predict().ok


def test_counters_add_up_over_all_workers(running: Service) -> None:
    line = 'hotshelf_requests_total{dialect="simple",status="200",version="1"}'

    def counted() -> float:
        text = requests.get(f"{running.url}/metrics", timeout=10).text
        return float(next(each for each in text.splitlines() if each.startswith(line)).split()[-1])

    assert running.predict().ok
    before = counted()
    # Each request on a connection of its own, so that both workers get some.
    for _ in range(40):
        assert running.predict().ok
    assert counted() == before + 40
