"""Sends raw requests over many connections and keeps count of how they are answered."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Sent:
    """The bytes of a request; of one that isn't whole the server is told that no more comes."""

    data: bytes
    is_whole: bool = True


@dataclass
class Storm:
    """How often each status came (0: closed without an answer), and what must not happen."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.statuses.total()} requests: {counts}; {len(self.failures)} failures"


def storm(url: str, makers: Sequence[Callable[[], Sent]], count: int) -> Storm:
    """Send `count` requests in all, each maker's one after another, all makers at once."""
    found, lock = Storm(), threading.Lock()
    place = urlsplit(url)
    address = place.hostname or "", place.port or 80

    def send(make: Callable[[], Sent], times: int) -> None:
        for _ in range(times):
            request = make()
            status, failure = exchange(address, request)
            with lock:
                found.statuses[status] += 1
                if failure or status >= 500:
                    found.failures.append(f"{status} {failure} for {request.data[:400]!r}")

    share = -(-count // len(makers))
    threads = [threading.Thread(target=send, args=(make, share)) for make in makers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def exchange(address: tuple[str, int], request: Sent) -> tuple[int, str]:
    """Send one request and return the status and what went wrong."""
    with socket.create_connection(address, PATIENCE_S) as connection:
        try:
            connection.sendall(request.data)
            if not request.is_whole:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was whole; the answer may be there all the same
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            return 0, f"no answer within {PATIENCE_S:g} s"
        except ConnectionError:
            pass  # closed on us while we were sending
    status = status_of(answer)
    return status, "" if status or not request.is_whole else "no answer"


def status_of(answer: bytes) -> int:
    """Return the status of an answer, past those that only say to go on."""
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    version, _, rest = answer.partition(b" ")
    return int(rest[:3]) if version.startswith(b"HTTP/1.") and rest[:3].isdigit() else 0
