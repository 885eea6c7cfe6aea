"""`:classify`: examples in, the classes of each with their probabilities out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from service.errors import InvalidRequest
from service.ipc.messages import ClassName, Images, Probabilities
from service.web.answers import top_k
from service.web.images import ImageReader
from service.web.json_body import decode_json
from service.web.v1.instances import Instance, decode_instances, read_instances
from service.web.v1.predict import check_signature


class ClassifyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Examples; what all have in common stands in the context."""

    examples: msgspec.Raw
    context: Instance | msgspec.UnsetType = msgspec.UNSET
    signature_name: str = ""


_decode = msgspec.json.Decoder(ClassifyRequest).decode


def read_examples(body: bytes, reader: ImageReader) -> Images:
    """Return one image an example."""
    sent = decode_json(_decode, body)
    check_signature(sent.signature_name)
    text = bytes(sent.examples)
    if not text.startswith(b"["):
        raise InvalidRequest("'examples' is a list of objects with an image each")
    examples = decode_instances(text, reader, what="'examples'")
    if isinstance(sent.context, Instance):
        read_instances([sent.context], reader)  # it has to be right also where nobody needs it
        examples = [sent.context if each.is_empty else each for each in examples]
    return read_instances(examples, reader)


def results(
    probabilities: Probabilities, classes: Sequence[ClassName]
) -> list[list[tuple[str, float]]]:
    """Return [label, score] of every class for each image (float32 [N, classes]), best first."""
    return [
        [(line.label, line.score) for line in top_k(each, classes, len(classes))]
        for each in probabilities
    ]
