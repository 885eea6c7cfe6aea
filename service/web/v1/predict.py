"""The body of `:predict`: rows in `instances` or columns in `inputs`."""

from __future__ import annotations

import msgspec

from service.errors import InvalidRequest
from service.ipc.messages import Images
from service.web.images import ImageReader
from service.web.json_body import decode_json
from service.web.served_model import INPUT
from service.web.v1.instances import read_batch
from service.web.v1.metadata import SIGNATURE


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Rows or columns, never both; an empty signature name is the default one."""

    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    signature_name: str = SIGNATURE


class _Columns(msgspec.Struct, forbid_unknown_fields=True):
    image: msgspec.Raw


_decode = msgspec.json.Decoder(PredictRequest).decode
_decode_columns = msgspec.json.Decoder(_Columns).decode


def read_predict(body: bytes, reader: ImageReader) -> tuple[Images, str]:
    """Return the images and the key under which the answer's form returns their outputs."""
    sent = decode_json(_decode, body)
    check_signature(sent.signature_name)
    rows, columns = sent.instances, sent.inputs
    if isinstance(rows, msgspec.Raw) and columns is msgspec.UNSET:
        return read_batch(bytes(rows), reader, what="'instances'"), "predictions"
    if isinstance(columns, msgspec.Raw) and rows is msgspec.UNSET:
        return read_batch(_column(bytes(columns)), reader, what="'inputs'"), "outputs"
    raise InvalidRequest("give either 'instances' (rows) or 'inputs' (columns)")


def check_signature(name: str) -> None:
    """Raise unless the name is that of the one signature, or empty."""
    if name not in (SIGNATURE, ""):
        raise InvalidRequest(
            f'Serving signature name: "{name}" not found in signature def; there is "{SIGNATURE}"'
        )


def _column(text: bytes) -> bytes:
    """Return the one column's list, which stands bare or under the input's name."""
    if not text.startswith(b"{"):
        return text
    return bytes(
        decode_json(_decode_columns, text, what=f"'inputs' (whose one key is {INPUT!r})").image
    )
