"""What the link between two hosts does: bytes a second with both sending, and a message's time.

Run on each of them as `python -m benchmarks.link_speed listen|connect ADDRESS`.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time

from tests.namespaces import Host

PORT = 5201
BYTES = 200_000_000
CHUNK = b"\0" * (1 << 20)
PINGS = 200


def measure_link(a: Host, b: Host) -> tuple[float, float]:
    """Return bytes a second in each direction, with both used at once, and seconds one way."""
    server = b.start(
        [sys.executable, "-m", "benchmarks.link_speed", "listen", b.address],
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdout is not None  # noqa: S101 - it is a pipe
        server.stdout.readline()
        command = [sys.executable, "-m", "benchmarks.link_speed", "connect", b.address]
        done = subprocess.run(
            a.command(command), check=True, capture_output=True, text=True, timeout=120
        )
    bytes_per_s, latency_s = map(float, done.stdout.split())
    return bytes_per_s, latency_s


def listen(address: str) -> None:
    """Answer pings, then exchange bytes, with one who connects."""
    with socket.create_server((address, PORT)) as listener:
        print("listening", flush=True)
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(PINGS):
                connection.sendall(connection.recv(1))
            exchange(connection)


def connect(address: str) -> None:
    """Print bytes a second and half the median time of a ping."""
    with socket.create_connection((address, PORT)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(PINGS):
            started = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(1)
            times.append(time.perf_counter() - started)
        started = time.perf_counter()
        exchange(connection)
        print(BYTES / (time.perf_counter() - started), statistics.median(times) / 2)


def exchange(connection: socket.socket) -> None:
    """Send and receive BYTES at the same time."""

    def send() -> None:
        for _ in range(BYTES // len(CHUNK)):
            connection.sendall(CHUNK)

    sender = threading.Thread(target=send)
    sender.start()
    expected = BYTES // len(CHUNK) * len(CHUNK)
    buffer = bytearray(1 << 20)
    while expected:
        expected -= connection.recv_into(buffer)
    sender.join()


if __name__ == "__main__":
    {"listen": listen, "connect": connect}[sys.argv[1]](sys.argv[2])
