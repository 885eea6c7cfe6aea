"""Bodies that come or go compressed: gzip or deflate."""

from __future__ import annotations

import gzip
import io
import zlib

from flask import Flask, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from service.errors import InvalidRequest, PayloadTooLarge
from service.web.engine import Engine

# zlib's names for "gzip" and for "deflate", which HTTP means with zlib's own header around it.
WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}

# gzip files may be strung together, and each has a copy made of what follows it. So they are fed in
# pieces, and are no more than tools that begin one every 64 kB (bgzip) make of a large body.
PIECE_BYTES = 64 * 1024
MOST_MEMBERS = 1000

# Below this, packing costs more time than it saves on the way.
WORTH_BYTES = 8 * 1024
LEVEL = 1
TENSORS = "application/octet-stream"


def register_compression(app: Flask, engine: Engine, *, max_body: int) -> None:
    """Have the application unpack requests up to `max_body` bytes and pack long answers."""

    @app.before_request
    def unpack_body() -> None:
        encoding = request.environ.get("HTTP_CONTENT_ENCODING", "")
        if encoding in ("", "identity"):
            return
        packed = request.get_data(cache=False)
        data = engine.decode(
            lambda: unpack(packed, encoding.strip().lower(), most=max_body), images=1
        )
        request.environ["wsgi.input"] = io.BytesIO(data)
        request.environ["CONTENT_LENGTH"] = str(len(data))
        del request.__dict__["stream"]  # werkzeug keeps the stream that has just been read

    @app.after_request
    def pack_answer(response: Response) -> Response:
        if len(data := _data(response)) >= WORTH_BYTES:
            response.vary.add("Accept-Encoding")
            encoding = _acceptable(response.mimetype)
            if encoding is not None:
                response.data = _pack(data, encoding)
                response.headers["Content-Encoding"] = encoding
        return response


def unpack(packed: bytes, encoding: str, *, most: int) -> bytes:
    """Return the content; never holds more than a byte over `most` of it.

    Raises UnsupportedMediaType for another encoding, InvalidRequest for damaged data and
    PayloadTooLarge for more than `most` bytes or MOST_MEMBERS files strung together.
    """
    bits = WINDOW_BITS.get(encoding)
    if bits is None:
        raise UnsupportedMediaType(
            f"Content-Encoding: {encoding} isn't known here; gzip and deflate are"
        )
    unpacked = bytearray()
    stream, members = zlib.decompressobj(bits), 1
    for start in range(0, len(packed), PIECE_BYTES):
        piece = packed[start : start + PIECE_BYTES]
        while piece:
            if stream.eof:
                stream, members = zlib.decompressobj(bits), members + 1
            if members > MOST_MEMBERS:
                raise PayloadTooLarge(
                    f"the body is more than {MOST_MEMBERS:,} {encoding} files strung together"
                )
            try:
                unpacked += stream.decompress(piece, most + 1 - len(unpacked))
            except zlib.error as error:
                raise InvalidRequest(f"the body isn't valid {encoding}: {error}") from None
            if len(unpacked) > most:
                raise PayloadTooLarge(f"the body unpacks to more than {most / 1e6:g} MB")
            piece = stream.unused_data
    if packed and not stream.eof:
        raise InvalidRequest(f"the body isn't valid {encoding}: it ends too early")
    return bytes(unpacked)


def _data(response: Response) -> bytes:
    if (
        response.is_streamed
        or response.direct_passthrough
        or "Content-Encoding" in response.headers
    ):
        return b""
    return response.get_data()


def _acceptable(mimetype: str | None) -> str | None:
    """Return the encoding that the client would like this answer in, if we have it.

    Floats hardly shrink and most clients offer gzip without asking for it, so tensors are packed
    only for a client that names nothing else.
    """
    accepted = request.accept_encodings
    if mimetype == TENSORS and len(accepted) != 1:
        return None
    return next((each for each in ("gzip", "deflate") if accepted[each] > 0), None)


def _pack(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(data, LEVEL, mtime=0)
    return zlib.compress(data, LEVEL)
