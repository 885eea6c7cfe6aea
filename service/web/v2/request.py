"""The body of `infer`: one JSON object, with binary data after it where the client likes that."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from service.errors import InvalidRequest
from service.ipc.messages import Images
from service.web.deadline import allow
from service.web.images import ImageReader
from service.web.json_body import decode_json
from service.web.pixels import IMAGE_BYTES
from service.web.served_model import OUTPUT
from service.web.v2.tensors import InputTensor, pixels_of, read_input, small

HEADER_LENGTH = "Inference-Header-Content-Length"

# These speak to the server; the others belong to the client and come back in the answer.
RESERVED = frozenset(
    {
        "binary_data_output", "priority", "timeout",
        "sequence_id", "sequence_start", "sequence_end",
    }
)  # fmt: skip

LONGEST_US = 10**12

Parameter = str | int | float | bool


class OutputParameters(msgspec.Struct):
    """How an output is wanted: binary or not, as probabilities or as the best classes."""

    binary_data: bool | None = None
    classification: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    shared_memory_region: str | None = None


class RequestedOutput(msgspec.Struct):
    """One of the outputs that the request names."""

    name: str
    parameters: OutputParameters | None = None

    @property
    def wanted(self) -> OutputParameters:
        """Its parameters, of which it may have none."""
        return self.parameters or OutputParameters()


class _Body(msgspec.Struct):
    inputs: tuple[InputTensor]
    id: str | None = None
    outputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_outputs = msgspec.json.Decoder(list[RequestedOutput] | None).decode
_decode_parameters = msgspec.json.Decoder(dict[str, Parameter] | None).decode


@dataclass(frozen=True)
class InferCall:
    """What a request asks for; `classes` is 0 for probabilities."""

    images: Images
    binary: bool = False
    classes: int = 0
    id: str | None = None
    parameters: dict[str, Parameter] = field(default_factory=dict)


def read_infer(
    body: bytes, header_length: str | None, content_type: str, reader: ImageReader
) -> InferCall:
    """Return what the body asks for; `header_length` is that header's text.

    What it says of its time holds from here on.
    """
    if header_length is None:
        return _read(body, memoryview(b""), reader)
    if not re.fullmatch("[0-9]{1,12}", header_length) or int(header_length) > len(body):
        raise InvalidRequest(
            f"{HEADER_LENGTH}: {header_length} isn't a length within the body's {len(body):,} bytes"
        )
    length = int(header_length)
    if length == 0:
        return InferCall(_raw(body, content_type, reader), binary=True)
    return _read(body[:length], memoryview(body)[length:], reader)


def _raw(body: bytes, content_type: str, reader: ImageReader) -> Images:
    """Return the images of a body that is nothing but the tensor's data, or one encoded image."""
    if content_type.startswith("image/"):
        return reader.encoded(body)
    count, rest = divmod(len(body), IMAGE_BYTES)
    if rest or not count:
        raise InvalidRequest(
            f"a raw body is pixels, {IMAGE_BYTES:,} bytes an image, not {len(body):,} bytes; for an"
            " encoded image send its Content-Type, such as image/jpeg"
        )
    reader.check_count(count)
    return pixels_of(memoryview(body), count)


def _read(text: bytes, binary: memoryview, reader: ImageReader) -> InferCall:
    sent = decode_json(_decode_body, text)
    parameters = _parameters(sent)
    by_default = parameters.get("binary_data_output", False)
    if not isinstance(by_default, bool):
        raise InvalidRequest("'binary_data_output' is true or false")
    timeout_s = _timeout_s(parameters.get("timeout", 0))
    if timeout_s is not None:
        allow(timeout_s)
    output = _output(sent).wanted
    asked = output.binary_data
    return InferCall(
        read_input(sent.inputs[0], binary, reader),
        by_default if asked is None else asked,
        output.classification or 0,
        sent.id,
        {name: value for name, value in parameters.items() if name not in RESERVED},
    )


def _timeout_s(microseconds: Parameter) -> float | None:
    """Return the time-out that clients give in whole microseconds; 0 is none."""
    is_whole = isinstance(microseconds, int) and not isinstance(microseconds, bool)
    if not is_whole or not 0 <= int(microseconds) <= LONGEST_US:
        raise InvalidRequest("'timeout' is a whole number of microseconds")
    return int(microseconds) / 1e6 or None


def _parameters(sent: _Body) -> dict[str, Parameter]:
    if not isinstance(sent.parameters, msgspec.Raw):
        return {}
    text = small(sent.parameters, "parameters")
    return decode_json(_decode_parameters, text, what="'parameters'") or {}


def _output(sent: _Body) -> RequestedOutput:
    """Return how the model's one output is wanted."""
    wanted: list[RequestedOutput] | None = None
    if isinstance(sent.outputs, msgspec.Raw):
        wanted = decode_json(_decode_outputs, small(sent.outputs, "outputs"), what="'outputs'")
    if not wanted:
        return RequestedOutput(OUTPUT)
    for each in wanted:
        if each.name != OUTPUT:
            raise InvalidRequest(
                f"unexpected output {each.name!r}; the model's one output is {OUTPUT!r}"
            )
        if each.wanted.shared_memory_region is not None:
            raise InvalidRequest("shared memory isn't offered; take the output from the body")
    if len(wanted) > 1:
        raise InvalidRequest(f"output {OUTPUT!r} is requested {len(wanted)} times")
    return wanted[0]
