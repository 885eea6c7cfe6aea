"""Closed-loop load from Python processes, for machines without wrk.

Each process holds its share of the connections in one thread and asks again as soon as it has an
answer. It costs far more than wrk does, so the share of their time that the processes were busy is
reported with the result: where it is near 1, they were the bottleneck.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlsplit

from benchmarks.serving.load import Bodies, Measured

ANSWER_S = 60.0
RECEIVE_BYTES = 65536
END_OF_HEAD = b"\r\n\r\n"


class LoadFailed(Exception):
    """A server closed a connection or gave no answer in time."""


@dataclass(frozen=True)
class Load:
    """What was seen, and the share of its processes' time that making the load took (0 to 1)."""

    measured: Measured
    busy: float


@dataclass(frozen=True)
class _Seen:
    latencies_s: list[float]
    errors: int
    cpu_s: float


def post_from_processes(
    url: str, bodies: Bodies, *, connections: int, seconds: float, processes: int
) -> Load:
    """Post the bodies in turn over so many connections, shared out among the processes.

    Raises LoadFailed where a connection breaks or an answer takes a minute.
    """
    processes = min(processes, connections)
    shares = [connections // processes + (i < connections % processes) for i in range(processes)]
    server = urlsplit(url).netloc
    requests = _requests(server, bodies)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(_ask, [(server, requests, share, seconds) for share in shares])
    latencies = sorted(1000 * each for part in parts for each in part.latencies_s)
    if len(latencies) < 2:
        raise LoadFailed(f"{len(latencies)} answers in {seconds:.0f} s say nothing")
    cuts = statistics.quantiles(latencies, n=100)
    measured = Measured(
        requests=len(latencies),
        rate=round(len(latencies) / seconds, 1),
        p50_ms=round(cuts[49], 3),
        p90_ms=round(cuts[89], 3),
        p99_ms=round(cuts[98], 3),
        errors=sum(part.errors for part in parts),
    )
    return Load(measured, sum(part.cpu_s for part in parts) / (processes * seconds))


class _Connection:
    """One connection that always has one request under way."""

    def __init__(self, server: str, requests: Iterator[bytes]) -> None:
        host, _, port = server.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._received = bytearray()
        self.asked_at = 0.0

    def ask(self) -> None:
        self._received.clear()
        self.asked_at = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def answered(self) -> int | None:
        """Take what has come; return the status once the answer is complete."""
        received = self.socket.recv(RECEIVE_BYTES)
        if not received:
            raise LoadFailed("the server closed a connection in the middle of an answer")
        self._received += received
        end = self._received.find(END_OF_HEAD)
        if end < 0:
            return None
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._received) < end + len(END_OF_HEAD) + length:
            return None
        return int(head.split(b" ", 2)[1])


def _ask(server: str, requests: list[bytes], connections: int, seconds: float) -> _Seen:
    in_turn = cycle(requests)
    latencies: list[float] = []
    errors = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            each = _Connection(server, in_turn)
            selector.register(each.socket, selectors.EVENT_READ, each)
            each.ask()
        cpu_before, ends = time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < ends:
            ready = selector.select(ANSWER_S)
            if not ready:
                raise LoadFailed(f"no answer within {ANSWER_S:.0f} s")
            for key, _ in ready:
                connection: _Connection = key.data
                status = connection.answered()
                if status is None:
                    continue
                latencies.append(time.perf_counter() - connection.asked_at)
                errors += status >= 400
                connection.ask()
        cpu_s = time.process_time() - cpu_before
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return _Seen(latencies, errors, cpu_s)


def _requests(server: str, bodies: Bodies) -> list[bytes]:
    """Return whole requests, as they go over the wire."""
    lines = [f"POST {bodies.form.path} HTTP/1.1", f"Host: {server}"]
    lines += [f"{name}: {value}" for name, value in bodies.form.headers.items()]
    requests = []
    for path in sorted(bodies.folder.glob("*.bin")):
        body = path.read_bytes()
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        requests.append(head.encode() + body)
    return requests
