"""A service whose answers are canned and whose times are known: what measures it can be checked.

    python -m tests.loadtest.canned_service --port 9000 --pattern-ms 20,20,20,200

Requests take the times of the pattern, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json

LABELS = [f"class {n}" for n in range(5)]
_TOP = [{"label": label, "score": 0.2, "wnid": f"n{n}"} for n, label in enumerate(LABELS)]
_CLASSES = {
    "model_version": "1",
    "outputs": [{"data": [f"0.2:{n}:{label}" for n, label in enumerate(LABELS)]}],
}
_ANSWERS = {
    "/predict": _TOP,
    "/v2/models/resnet50/infer": _CLASSES,
    "/readyz": {"ready": True, "version": 1},
    "/console/state": {"default": 1, "weights": {}, "labels": {}},
}


async def serve(port: int, pattern_ms: list[float]) -> None:
    """Answer until cancelled."""
    times_s = itertools.cycle([each / 1000 for each in pattern_ms])

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(
                    (int(each[15:]) for each in lines if each[:15] == b"content-length:"), 0
                )
                await reader.readexactly(length)
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                if path == "/predict" and (wait_s := next(times_s)):
                    await asyncio.sleep(wait_s)
                writer.write(_answer(path))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def _answer(path: str) -> bytes:
    body = json.dumps(_ANSWERS.get(path, {})).encode()
    head = f"HTTP/1.1 200 OK\r\nModel-Version: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pattern-ms", default="0")
    return parser.parse_args()


if __name__ == "__main__":
    args = _arguments()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(args.port, [float(each) for each in args.pattern_ms.split(",")]))
