"""Frames on a stream: a 12-byte header, then the message's payload.

offset  size  field
0       4     length of the payload, little-endian
4       1     version of this protocol
5       1     kind of message
6       2     zero
8       4     number of the request, chosen by the worker and repeated in the reply
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

from service.ipc.messages import Message, Part, parse_message

PROTOCOL_VERSION = 1
MAX_PAYLOAD = 64 * 1024 * 1024

_HEADER = struct.Struct("<IBBHI")


class ProtocolError(ValueError):
    """The peer doesn't speak this protocol; the connection can't go on."""


def frame(number: int, message: Message) -> list[Part]:
    """Return the parts of one frame, ready for `transport.writelines`."""
    parts = message.payload()
    length = sum(map(len, parts))
    header = _HEADER.pack(length, PROTOCOL_VERSION, message.kind, 0, number)
    return [header, *parts]


class Outbox:
    """Gathers what one round of the event loop has to send, and sends it at once.

    Many small writes would cost a system call each, and wake the other side as often.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._parts: list[Part] = []

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing()

    def send(self, number: int, message: Message) -> None:
        """Send a frame before the event loop waits again; dropped when the connection is gone."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts += frame(number, message)

    def close(self) -> None:
        """Send what is there and close the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.writelines(parts)


class FrameReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, Message]]:
        """Yield (request number, message) for each frame that `data` completes.

        Raises ProtocolError for another version, an oversized frame or one that can't be read.
        """
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= _HEADER.size:
                length, version, kind, _, number = _HEADER.unpack_from(self._buffer, start)
                if version != PROTOCOL_VERSION or length > MAX_PAYLOAD:
                    raise ProtocolError(
                        f"frame of protocol {version} with {length:,} bytes; expected protocol "
                        f"{PROTOCOL_VERSION} with at most {MAX_PAYLOAD:,}"
                    )
                body = start + _HEADER.size
                if len(self._buffer) - body < length:
                    break
                payload = bytes(memoryview(self._buffer)[body : body + length])
                start = body + length
                yield number, _parse(kind, payload)
        finally:
            del self._buffer[:start]


def _parse(kind: int, payload: bytes) -> Message:
    try:
        return parse_message(kind, payload)
    except ValueError as error:
        raise ProtocolError(str(error)) from error
