"""Which variants there are and how int8 is made; imports nothing that takes long."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

VariantName = Literal["int8", "fp16"]
Method = Literal["percentile", "entropy", "minmax"]

VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
# For `Meta(pattern=…)`: one or more of them, with commas.
LIST_PATTERN = r"^(int8|fp16)(,(int8|fp16))*$"


class Quantization(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How int8 finds the ranges of activations, and how it rounds weights."""

    method: Annotated[
        Method,
        Meta(
            description="what an activation's range covers: a percentile of its values, as much "
            "as keeps their distribution's information (entropy), or all of them (minmax)"
        ),
    ] = "percentile"
    percentile: Annotated[
        float,
        Meta(gt=50.0, le=100.0, description="part of the values that are in the range, in percent"),
    ] = 99.999
    images: Annotated[
        int, Meta(ge=1, description="training images to find the ranges by, of all classes alike")
    ] = 512
    seed: Annotated[int, Meta(ge=0, description="which training images these are")] = 0
    reduce_range: Annotated[
        bool,
        Meta(
            description="weights of 7 bits, for processors without VNNI, whose sums of 8 bits can "
            "saturate"
        ),
    ] = False


def file_of(name: VariantName) -> str:
    """Return the file that holds the variant: `model.int8.onnx`."""
    return f"model.{name}.onnx"


def variants_of(listed: str | None) -> tuple[VariantName, ...]:
    """Return the variants in a list that matches `LIST_PATTERN`, each once; none of None."""
    names = set(listed.split(",")) if listed else set()
    return tuple(name for name in VARIANTS if name in names)
