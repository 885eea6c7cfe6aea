"""A client that sends what it shouldn't: it must be told so, and nobody else may notice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import gevent
from gevent import socket
from locust import tag, task

from loadtest.dialects import inference, simple
from loadtest.faults import ACCEPTED, Fault, Refused, WrongAnswer
from loadtest.scenarios.base import PATIENCE_S, Scenario, refusal
from loadtest.session import authorization

# Larger than the largest limit that a service can be given (HOTSHELF_MAX_BODY_MB).
_OVERSIZED = 2 * 1024**3
_SLOW_PIECES = 8
_SLOW_PAUSE_S = 0.1


class Misbehaving(Scenario):
    """Sends corrupt, oversized, slow and half requests, each followed by a right one.

    Only the right ones' times count. A wrong request must be refused with a status of 4xx or a
    closed connection.
    """

    scenario = "misbehaving"
    weight = 1

    @tag("misbehaving")
    @task(3)
    def send_corrupt(self) -> None:
        """Send what begins as an image and isn't one, or JSON that isn't any."""
        whole = self.samples.one_plain().data
        half = whole[: len(whole) // 3]
        path, body = random.choice(
            [
                ("/predict", b"not an image"),
                ("/predict", half[:20] + bytes(random.randbytes(200))),
                (inference.infer_path(self.options.model), b'{"inputs": ['),
                (f"/v1/models/{self.options.model}:predict", b'{"instances": [{"b64": "?"}]}'),
                ("/predict?version=999999999", whole),
            ]
        )
        name = f"{self.scenario} corrupt"
        headers = authorization(self.options.token)
        with self.client.post(
            path, data=body, headers=headers, name=name, catch_response=True
        ) as response:
            fault = _judge_refusal(response.status_code, "a corrupt request")
            if fault is None:
                response.success()
            else:
                response.failure(fault if response.status_code else refusal(response))
        self._behave()

    @tag("misbehaving")
    @task(1)
    def send_oversized(self) -> None:
        """Announce more than any service takes."""
        status, sent_s = self._exchange([self._head(_OVERSIZED), b"\xff\xd8" * 512])
        # A service may close without a word on whoever goes on sending.
        fault = _judge_refusal(status, "an oversized body") if status else None
        self.report("oversized", fault, sent_s)
        self._behave()

    @tag("misbehaving")
    @task(1)
    def send_slowly(self) -> None:
        """Send a right request in pieces, slowly: it must be answered, and hold nobody up."""
        data = self.samples.one_plain().data
        size = len(data) // _SLOW_PIECES + 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        status, sent_s = self._exchange([self._head(len(data)), *pieces], pause_s=_SLOW_PAUSE_S)
        fault = None if status == 200 else Refused(f"status {status}", "to a slow, right request")
        self.report("slow", fault, sent_s)
        self._behave()

    @tag("misbehaving")
    @task(1)
    def abort(self) -> None:
        """Send half a request and leave."""
        data = self.samples.one_plain().data
        self._exchange([self._head(len(data)), data[: len(data) // 2]], listens=False)
        self.report("aborted", None)
        self._behave()

    def _behave(self) -> None:
        self.ask(simple.ask_bytes(self.samples.one_plain()), "/predict (after a wrong one)")

    def _head(self, length: int) -> bytes:
        token = authorization(self.options.token).get("Authorization", "")
        lines = [
            "POST /predict HTTP/1.1",
            f"Host: {urlsplit(self.host).netloc}",
            f"Content-Length: {length}",
            *([f"Authorization: {token}"] if token else []),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _exchange(
        self, pieces: Iterable[bytes], *, pause_s: float = 0.0, listens: bool = True
    ) -> tuple[int, float]:
        """Send pieces over a connection of its own.

        Returns the status, 0 if there was none, and when all was sent: what came before was our
        own slowness.
        """
        sent_s = time.perf_counter()
        place = urlsplit(self.host)
        address = place.hostname, place.port or 80
        try:
            with socket.create_connection(address, PATIENCE_S) as connection:
                for piece in pieces:
                    connection.sendall(piece)
                    gevent.sleep(pause_s)
                sent_s = time.perf_counter()
                return _status(connection.recv(4096)) if listens else 0, sent_s
        except OSError:
            return 0, sent_s


def _judge_refusal(status: int, what: str) -> Fault | None:
    if 400 <= status < 500:
        return None
    if 200 <= status < 300:
        return WrongAnswer(ACCEPTED, f"{what} was answered {status}")
    return Refused(f"status {status}", f"to {what}")


def _status(answer: bytes) -> int:
    _, _, rest = answer.partition(b" ")
    return int(rest[:3]) if answer.startswith(b"HTTP/1.") and rest[:3].isdigit() else 0
