"""A proxy in front of a real service that plants one fault, at a rate that is chosen.

    python -m tests.loadtest.fault_proxy --upstream 127.0.0.1:8000 --port 9000 --wrong 1000

It speaks as much HTTP as the service and its clients do: bodies with a length, connections kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.loadtest.spoiling import spoil

# Larger requests are passed on without being looked at.
LARGEST = 4_000_000
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b'Content-Length: 19\r\n\r\n{"error":"planted"}'
)


@dataclass(frozen=True)
class Faults:
    """One in so many predictions (0: none); stalls and leaks by time."""

    wrong: int = 0
    refused: int = 0
    stale: int = 0
    stall_s: float = 0.0
    stall_every_s: float = 60.0
    leak_mb_s: float = 0.0


@dataclass
class Request:
    """One request, as it came."""

    head: bytes
    body: bytes

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def predicts(self) -> bool:
        path = self.target.partition("?")[0]
        return self.head.startswith(b"POST") and path.endswith(
            ("/predict", ":predict", ":classify", "/infer")
        )

    def pinned(self, version: str) -> Request:
        """Return the same question to one version."""
        path, _, query = self.target.partition("?")
        if path == "/predict":
            kept = [each for each in query.split("&") if not each.startswith(("version", "label"))]
            target = f"/predict?{'&'.join([*kept, f'version={version}'])}"
        else:
            verb = next(each for each in (":predict", ":classify", "/infer") if path.endswith(each))
            model = "/".join(path.removesuffix(verb).split("/")[:4])
            target = f"{model}/versions/{version}{verb}"
        return Request(self.head.replace(self.target.encode(), target.encode(), 1), self.body)


@dataclass
class Proxy:
    """Passes requests on to `upstream` and plants faults in the answers."""

    upstream: tuple[str, int]
    faults: Faults
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _leaked: list[bytearray] = field(default_factory=list)
    _begun_s: float = field(default_factory=time.monotonic)
    _newest: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client's connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            up_reader, up_writer = await asyncio.open_connection(*self.upstream)
            try:
                while await self._pass_one(reader, writer, up_reader, up_writer):
                    pass
            finally:
                up_writer.close()
                writer.close()

    async def leak(self) -> None:
        """Grow as long as the proxy lives."""
        while True:
            await asyncio.sleep(0.5)
            size = int(self.faults.leak_mb_s * 0.5e6)
            # Written to, or the system would only promise it.
            self._leaked.append(bytearray(b"\1") * size)

    async def _pass_one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> bool:
        head = _uncompressed(await reader.readuntil(b"\r\n\r\n"))
        length = _length(head)
        if length > LARGEST:
            up_writer.write(head)
            await _pump(reader, writer, up_reader, up_writer)
            return False
        request = Request(head, await reader.readexactly(length))
        number = next(self._numbers) if request.predicts else 0
        await self._stall()
        if _is_turn(number, self.faults.refused):
            writer.write(REFUSAL)
            await writer.drain()
            return True
        if _is_turn(number, self.faults.stale) and int(self._newest or 1) > 1:
            request = request.pinned(str(int(self._newest) - 1))
        up_writer.write(request.head + request.body)
        answer_head = await up_reader.readuntil(b"\r\n\r\n")
        answer = await up_reader.readexactly(_length(answer_head))
        self._note_version(answer_head)
        if _is_turn(number, self.faults.wrong) and answer_head.startswith(b"HTTP/1.1 200"):
            answer = spoil(answer_head, answer)
        writer.write(_with_length(answer_head, len(answer)) + answer)
        await writer.drain()
        return b"connection: close" not in answer_head.lower()

    def _note_version(self, head: bytes) -> None:
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"model-version:"):
                version = line.partition(b":")[2].strip().decode()
                self._newest = max(self._newest, version, key=lambda each: int(each or 0))

    async def _stall(self) -> None:
        if not self.faults.stall_s:
            return
        into_s = (time.monotonic() - self._begun_s) % self.faults.stall_every_s
        left_s = into_s - (self.faults.stall_every_s - self.faults.stall_s)
        if left_s > 0:
            await asyncio.sleep(self.faults.stall_s - left_s)


def _is_turn(number: int, every: int) -> bool:
    return bool(every and number and number % every == 0)


def _uncompressed(head: bytes) -> bytes:
    """Return a request's head that asks for an answer which can be spoilt."""
    lines = head.split(b"\r\n")
    return b"\r\n".join(each for each in lines if not each.lower().startswith(b"accept-encoding:"))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _with_length(head: bytes, length: int) -> bytes:
    lines = [
        b"Content-Length: %d" % length if line.lower().startswith(b"content-length:") else line
        for line in head.split(b"\r\n")
    ]
    return b"\r\n".join(lines)


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up_reader: asyncio.StreamReader,
    up_writer: asyncio.StreamWriter,
) -> None:
    async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                sink.write(piece)
                await sink.drain()

    ways = [
        asyncio.ensure_future(one_way(reader, up_writer)),
        asyncio.ensure_future(one_way(up_reader, writer)),
    ]
    _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for each in left:
        each.cancel()


async def _main(args: argparse.Namespace) -> None:
    host, _, port = args.upstream.partition(":")
    faults = Faults(
        wrong=args.wrong,
        refused=args.refused,
        stale=args.stale,
        stall_s=args.stall,
        stall_every_s=args.stall_every,
        leak_mb_s=args.leak,
    )
    proxy = Proxy((host, int(port)), faults)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", args.port, limit=LARGEST)
    leak = asyncio.ensure_future(proxy.leak()) if faults.leak_mb_s else None
    async with server:
        await server.serve_forever()
    del leak


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, required=True)
    for name in ("wrong", "refused", "stale"):
        parser.add_argument(f"--{name}", type=int, default=0)
    for name in ("stall", "leak"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--stall-every", type=float, default=60.0)
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_arguments()))
