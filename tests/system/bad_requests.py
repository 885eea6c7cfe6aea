"""Requests that are wrong in as many ways as chance finds, as the bytes that go over the wire.

Run by hand for longer than a test may take:

    python -m tests.system.bad_requests http://127.0.0.1:8000 100000 [SEED]
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

from tests.system.running import jpeg
from tests.system.storm import Sent, storm

MODEL = "resnet50"
LENGTH = "Inference-Header-Content-Length"
PATHS = (
    "/", "/predict", f"/v1/models/{MODEL}", f"/v1/models/{MODEL}:predict",
    f"/v1/models/{MODEL}:classify", f"/v1/models/{MODEL}/versions/1:predict", "/v2",
    f"/v2/models/{MODEL}", f"/v2/models/{MODEL}/infer", f"/v2/models/{MODEL}/config",
    f"/v2/models/{MODEL}/labels/production/infer", f"/v2/models/{MODEL}/stats",
    "/v2/repository/index", f"/v2/repository/models/{MODEL}/load", "/healthz", "/readyz",
    "/openapi.json", "/docs", "/admin", "/admin/labels/production", "/admin/weights",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW", "get")
IMAGE = jpeg(1)
B64 = base64.b64encode(IMAGE).decode()

# On the wire a byte that no text in UTF-8 has: 255.
NO_TEXT = "\udcff"

Headers = list[tuple[str, str]]


class BadRequests:
    """Makes one request after another; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._v1, self._v1, self._v2_json, self._v2_json, self._v2_binary, self._v2_binary,
            self._v2_raw, self._image, self._form, self._simple_json, self._packed, self._head,
            self._flood, self._truncated, self._path, self._brackets,
        )  # fmt: skip

    def make(self) -> Sent:
        """Return the next request."""
        kind = self._random.choice(self._kinds)
        return Sent(kind(), is_whole=kind not in (self._head, self._truncated))

    # --- bodies of the dialects ---------------------------------------------------------------

    def _v1(self) -> bytes:
        image: Any = self._random.choice(
            [{"b64": B64}, {"image": {"b64": B64}}, [[[0] * 3] * 64] * 64]
        )
        key = self._random.choice(["instances", "inputs", "examples"])
        verb = self._random.choice(["predict", "classify", "regress", "explain"])
        body = {key: [image] * self._random.choice([1, 2, 65]), "signature_name": "serving_default"}
        return self._post(f"/v1/models/{MODEL}:{verb}", self._mutated(body))

    def _v2_json(self) -> bytes:
        tensor: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [B64]}
        if self._chance(0.5):
            tensor |= {"datatype": "UINT8", "shape": [1, 64, 64, 3], "data": [0] * 12288}
        body = {
            "id": "1",
            "inputs": [tensor],
            "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}],
            "parameters": {"binary_data_output": self._chance(0.5)},
        }
        return self._post(f"/v2/models/{MODEL}/infer", self._mutated(body))

    def _v2_binary(self) -> bytes:
        count = self._random.choice([0, 1, 1, 2, 64, 65, 2**31, -1])
        encoded = self._chance(0.5)
        real = max(0, min(count, 3))
        data = (
            b"".join(struct.pack("<I", self._lie(len(IMAGE))) + IMAGE for _ in range(real))
            if encoded
            else bytes(self._lie(12288 * real))
        )
        tensor = {
            "name": "image",
            "datatype": self._random.choice(["BYTES"] if encoded else ["UINT8", "FP32", "INT64"]),
            "shape": [count] if encoded else [count, 64, 64, 3],
            "parameters": {"binary_data_size": self._lie(len(data))},
        }
        head = json.dumps({"inputs": [tensor]}).encode()
        if self._chance(0.3):
            head = self._mutated({"inputs": [tensor]})
        length = str(self._lie(len(head)))
        return self._post(f"/v2/models/{MODEL}/infer", head + data, [(LENGTH, length)])

    def _v2_raw(self) -> bytes:
        kind = self._random.choice(["image/jpeg", "application/octet-stream", ""])
        length = self._random.choice(["0", "00", "-0", "0x0", "", " ", "0, 0", "9" * 30])
        body = self._random.choice([IMAGE, bytes(12288), self._noise(500), b""])
        headers = [(LENGTH, length), ("Content-Type", kind)]
        return self._post(f"/v2/models/{MODEL}/infer", body, headers)

    def _image(self) -> bytes:
        starts = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF")
        body = self._random.choice(starts) + self._noise(300)
        if self._chance(0.3):
            body = self._damaged(IMAGE)
        if self._chance(0.2):
            body = self._png_that_lies()
        path = self._random.choice(["/", "/predict"]) + self._query()
        return self._post(
            path, body, [("Content-Type", self._random.choice(["image/png", "", "x"]))]
        )

    def _form(self) -> bytes:
        boundary = self._random.choice(["b", "", '"', "x" * 300])
        part = (
            f"--b\r\nContent-Disposition: form-data; name={self._word()}; filename=x\r\n\r\n"
        ).encode()
        body = self._damaged(part + IMAGE + b"\r\n--b--\r\n")
        if self._chance(0.2):
            body = part * 2000
        return self._post(
            "/predict", body, [("Content-Type", f"multipart/form-data; boundary={boundary}")]
        )

    def _simple_json(self) -> bytes:
        key = self._random.choice(["image", "images", "inputs", "x"])
        value: Any = self._random.choice([B64, [B64], {"b64": B64}, B64[:-3], "data:,", [B64] * 65])
        body = {key: value, "parameters": {"top_k": 3, "function_to_apply": "softmax"}}
        return self._post("/predict", self._mutated(body), [("Content-Type", "application/json")])

    def _packed(self) -> bytes:
        encoding = self._random.choice(["gzip", "deflate", "br", "gzip, gzip", "GZIP", "\x7f"])
        body = gzip.compress(IMAGE) if self._chance(0.5) else zlib.compress(IMAGE)
        if self._chance(0.05):
            body = gzip.compress(bytes(40_000_000), 1)
        return self._post("/predict", self._damaged(body), [("Content-Encoding", encoding)])

    def _brackets(self) -> bytes:
        """JSON that would become millions of objects, or a stack without end."""
        times = self._random.choice([100, 10_000, 100_000])
        bomb = self._random.choice(["[", "[],", '{"a":', "{},", "0,", '"",', "1e999,", "-"]) * times
        start = self._random.choice(
            ['{"instances":[', '{"inputs":[', '{"images":[', "", '{"examples":[{"image":[']
        )
        path = self._random.choice(PATHS)
        return self._post(path, (start + bomb).encode(), [("Content-Type", "application/json")])

    # --- the wire -----------------------------------------------------------------------------

    def _head(self) -> bytes:
        """A head with fields that contradict themselves or mean nothing."""
        odd = (
            ("Content-Length", "-1"), ("Content-Length", "x"), ("Content-Length", "1_0"),
            ("Content-Length", "9" * 25), ("Transfer-Encoding", "chunked"),
            ("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked, chunked"),
            ("Host", "a b"), ("Expect", "100-continue"), ("Upgrade", "websocket"), ("", "x"),
            ("X y", "z"), ("Cookie", "\x00"), ("Accept-Encoding", "gzip;q=x"),
            ("Range", "bytes=-1"), ("If-None-Match", "*"), ("X-Request-Id", "é" * 300),
            ("Authorization", "Bearer " + "x" * 50), ("Authorization", "Basic ="),
        )  # fmt: skip
        headers = self._random.sample(odd, self._random.randrange(1, 4))
        body = self._random.choice([b"", b"0\r\n\r\n", b"5\r\nhello\r\n", IMAGE])
        return self._request(
            self._random.choice(METHODS), self._random.choice(PATHS), headers, body
        )

    def _flood(self) -> bytes:
        count, size = self._random.choice([(90, 10), (150, 10), (2000, 30), (3, 9000), (1, 70_000)])
        headers = [(f"X-{number}", "v" * size) for number in range(count)]
        return self._request("GET", self._random.choice(PATHS), headers, b"")

    def _truncated(self) -> bytes:
        whole = self._random.choice([self._v1, self._v2_binary, self._image, self._form])()
        return whole[: self._random.randrange(1, len(whole))]

    def _path(self) -> bytes:
        pieces = (
            "..",
            "%00",
            "%",
            "%ff",
            "é",
            NO_TEXT,
            "9" * 30,
            "-1",
            "*",
            ";",
            "?",
            "#",
            "\\",
            " ",
            "//",
        )
        path = self._random.choice(PATHS) + "/" + "".join(self._random.choices(pieces, k=3))
        path += self._query() if self._chance(0.5) else "x" * self._random.choice([0, 100, 9000])
        return self._request(self._random.choice(METHODS), path, [], b"")

    # --- pieces -------------------------------------------------------------------------------

    def _post(self, path: str, body: bytes, headers: Headers | None = None) -> bytes:
        sized = [*(headers or []), ("Content-Length", str(len(body)))]
        return self._request("POST", path, sized, body)

    def _request(self, method: str, path: str, headers: Headers, body: bytes) -> bytes:
        fields = "".join(
            f"{name}: {value}\r\n"
            for name, value in [("Host", "x"), ("Connection", "close"), *headers]
        )
        return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode("utf-8", "surrogateescape") + body

    def _query(self) -> str:
        names = ("top", "version", "label", "timeout", "x")
        values = (
            "0", "-1", "1e9", "x", "", "9" * 40, "%00", "%ff", "é", NO_TEXT, "production", "2",
            "nan",
        )  # fmt: skip
        chosen = self._random.choices(names, k=self._random.randrange(3))
        return "?" + "&".join(f"{name}={self._random.choice(values)}" for name in chosen)

    def _mutated(self, value: Any) -> bytes:
        """Return JSON of the value with a few of its places changed, perhaps damaged."""
        for _ in range(self._random.randrange(4)):
            value = self._changed(value)
        text = json.dumps(value).encode()
        return self._damaged(text) if self._chance(0.2) else text

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self._chance(0.8):
            key = self._random.choice(list(value))
            if self._chance(0.2):
                return {name: each for name, each in value.items() if name != key}
            return {**value, key: self._changed(value[key])}
        if isinstance(value, list) and value and self._chance(0.7):
            index = self._random.randrange(len(value))
            return [*value[:index], self._changed(value[index]), *value[index + 1 :]]
        odd: list[Any] = [
            None, True, -1, 0, 256, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, float("nan"), "", "x",
            "\ud800", "\x00", [], {}, [[]], [1, [2]], {"b64": 5}, {"b64": B64}, "é" * 1000,
            [64, 64, 3], [2**32, 2**32, 2**32, 2**32], [-1, 64, 64, 3], "FP16", "STRING",
        ]  # fmt: skip
        return self._random.choice(odd)

    def _damaged(self, data: bytes) -> bytes:
        how = self._random.randrange(4)
        at = self._random.randrange(len(data) or 1)
        if how == 0:
            return data[:at]
        if how == 1:
            return data[:at] + self._noise(8) + data[at:]
        if how == 2:
            return data[:at] + self._noise(4) + data[at + 4 :]
        return data

    def _png_that_lies(self) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return (
                struct.pack(">I", len(data))
                + kind
                + data
                + struct.pack(">I", zlib.crc32(kind + data))
            )

        sides = [self._random.choice([0, 1, 64, 5000, 50_000, 2**31 - 1, 2**32 - 1]) for _ in "wh"]
        head = struct.pack(">IIBBBBB", *sides, self._random.choice([1, 8, 16]), 2, 0, 0, 0)
        pixels = zlib.compress(bytes(self._random.choice([0, 1000, 100_000])))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)

    def _lie(self, number: int) -> int:
        """Return the number, or now and then another one."""
        if self._chance(0.6):
            return number
        return max(0, number + self._random.choice([-1, 1, -number, 4, 1000]))

    def _word(self) -> str:
        return self._random.choice(["image", '"image"', "file", '"', "x", ""])

    def _noise(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randrange(most))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


def main() -> None:
    """Send so many requests and say how they were answered."""
    url, count, seed = sys.argv[1], int(sys.argv[2]), int([*sys.argv, "0"][3])
    found = storm(url, [BadRequests(seed + number).make for number in range(8)], count)
    print(found, *found.failures[:20], sep="\n")
    sys.exit(bool(found.failures))


if __name__ == "__main__":
    main()
