"""Clients that ask for predictions without pause, and check every answer against its version."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import onnxruntime as ort

from imaging import decode_image

# The service rounds scores to six digits, and a batch adds up in another order than an image alone.
TOLERANCE = 2e-4


@dataclass(frozen=True)
class Sample:
    """One answer: when it came, how long it took, and what was wrong with it ('' if nothing)."""

    at: float
    took_s: float
    version: str
    wrong: str


@dataclass
class Crowd:
    """`clients` connections to `host:port`; `expected[version][image]` is score by class id."""

    port: int
    images: Sequence[bytes]
    expected: Mapping[str, Sequence[Mapping[str, float]]]
    clients: int
    samples: list[Sample] = field(default_factory=list)

    async def ask_until(self, stop: asyncio.Event) -> None:
        """Keep all clients busy until told to stop."""
        await asyncio.gather(*(self._client(number, stop) for number in range(self.clients)))

    async def _client(self, number: int, stop: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        turn = number
        while not stop.is_set():
            index = turn % len(self.images)
            turn += 1
            started = time.monotonic()
            try:
                status, version, body = await _post(reader, writer, self.images[index])
                wrong = self._judge(index, status, version, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                version, wrong = "", repr(error)
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            now = time.monotonic()
            self.samples.append(Sample(now, now - started, version, wrong))
        writer.close()

    def _judge(self, index: int, status: int, version: str, body: bytes) -> str:
        if status != 200:
            return f"{status}: {body[:200].decode(errors='replace')}"
        if version not in self.expected:
            return f"an answer of version {version!r}"
        scores = self.expected[version][index]
        for line in json.loads(body):
            right = scores[line["wnid"]]
            if not abs(line["score"] - right) <= TOLERANCE:
                return f"version {version} said {line}, ONNX Runtime alone says {right:.6f}"
        return ""


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, image: bytes
) -> tuple[int, str, bytes]:
    writer.write(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        b"Content-Length: %d\r\n\r\n" % len(image) + image
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers.get("model-version", ""), body


def answers_of(model: str, images: Sequence[bytes], wnids: Sequence[str]) -> list[dict[str, float]]:
    """Return what ONNX Runtime alone makes of each image: score by class id."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = (
        session.run(["probabilities"], {"image": decode_image(each)[np.newaxis]})[0][0]
        for each in images
    )
    return [dict(zip(wnids, map(float, row), strict=True)) for row in rows]


@contextmanager
def busy(crowd: Crowd, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have the crowd ask during the block, in the loop of another thread."""
    stop = asyncio.Event()
    asking = asyncio.run_coroutine_threadsafe(crowd.ask_until(stop), loop)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        asking.result(60)


def percentile_ms(samples: Sequence[Sample], percent: float) -> float:
    """Return the latency that so many percent of the samples stay below."""
    return round(1000 * float(np.percentile([each.took_s for each in samples], percent)), 2)
