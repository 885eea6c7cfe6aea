"""How much of everything a client may take, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HttpLimits:
    """Bounds of one worker; sizes in bytes, times in seconds.

    A head must have come whole within `head_s` of its first byte (or of the connection's start), a
    body within `body_s` and another second for each `body_bytes_s` bytes of it. An answer must be
    taken within `write_s`; a connection may idle for `idle_s` between requests.

    `all_bodies` bounds all bodies together, each from its announcement (one in chunks as it comes)
    to its request's answer: above it, further ones are refused as if the worker had too many
    connections.
    """

    body: int
    all_bodies: int = 512 * 1024 * 1024
    connections: int = 2048
    request_line: int = 8190
    fields: int = 100
    field: int = 8190
    head: int = 64 * 1024
    head_s: float = 10.0
    body_s: float = 20.0
    body_bytes_s: int = 50_000
    write_s: float = 30.0
    idle_s: float = 75.0
    # A client that is told its body is too large usually goes on sending and only then reads the
    # answer; closing on it at once would reset the connection and lose the answer. So the rest is
    # read and dropped, up to these bounds.
    drain: int = 1024 * 1024 * 1024
    drain_s: float = 30.0
