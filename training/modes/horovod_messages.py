"""What the launcher and its ranks say to each other, one JSON text a line.

The launcher writes to a rank's standard input: first `Hello`, then `Stop` or `Alive` any number of
times. The end of this stream means that the launcher is gone. A rank writes `Ended` to its standard
output, after a mark that tells it from what is meant for the user.
"""

from __future__ import annotations

import msgspec

# The record separator of JSON text sequences (RFC 7464).
_MARK = "\x1e"


class Hello(msgspec.Struct, frozen=True, tag=True):
    """Environment variables that the rank's host doesn't have.

    Here and not on the command line, which everybody on the host can read.
    """

    environment: dict[str, str]


class Stop(msgspec.Struct, frozen=True, tag=True):
    """The launcher got this signal."""

    signal_number: int


class Alive(msgspec.Struct, frozen=True, tag=True):
    """The launcher is still there; a host that hears nothing for long has been cut off."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The rank ends with an error.

    `lost_peer` says that it only noticed the end of another rank.
    """

    message: str
    exit_code: int
    lost_peer: bool = False


Order = Hello | Stop | Alive


def write_order(order: Order) -> bytes:
    """Return an order as a line."""
    return msgspec.json.encode(order) + b"\n"


def read_order(line: bytes) -> Order:
    """Return the order of a line. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(line, type=Order)


def write_report(report: Ended) -> str:
    """Return a report as a line."""
    return f"{_MARK}{msgspec.json.encode(report).decode()}\n"


def read_report(line: str) -> Ended | None:
    """Return the report of a line; None for a line that is none."""
    if not line.startswith(_MARK):
        return None
    try:
        return msgspec.json.decode(line[len(_MARK) :], type=Ended)
    except msgspec.MsgspecError:
        return None
