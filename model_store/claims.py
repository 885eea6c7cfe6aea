"""What a publisher says of a version, held against the folder: nothing that can't be true goes up.

Asked of what is published only: an old version stays readable, whatever it says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from model_store.errors import InvalidVersion
from model_store.layout import CLASSES
from model_store.manifest import SelfTest, Signature, TensorSpec
from model_store.names import show

_ACCURACY = re.compile(r"top[0-9]+")


def check_signature(signature: Signature, *, classes: int) -> Signature:
    """Return the signature; raise InvalidVersion where no output has a value for each class.

    A dimension that requests choose, None or negative, may be as many as it likes.
    """
    for what, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        if not tensors:
            raise InvalidVersion(
                f"the signature has no {what}; write name, dtype and shape of the model's {what}"
            )
    if not any(_may_have(output, classes) for output in signature.outputs):
        outputs = ", ".join(f"{show(each.name)} {list(each.shape)}" for each in signature.outputs)
        raise InvalidVersion(
            f"{CLASSES} names {classes} classes, but no output of the signature ends with as many"
            f" values: {outputs}; correct the one that is wrong"
        )
    return signature


def _may_have(output: TensorSpec, classes: int) -> bool:
    last = output.shape[-1] if output.shape else 0
    return last is None or last < 0 or last == classes


def check_self_test(self_test: SelfTest, files: frozenset[str], signature: Signature) -> SelfTest:
    """Return the self-test; raise InvalidVersion where it doesn't fit the files and signature."""
    [image, *_], [probabilities, *_] = signature.inputs, signature.outputs
    image_bytes = _fixed_size(image)
    count, rest = divmod(len(self_test.images), image_bytes)
    if rest or not count:
        raise InvalidVersion(
            f"the self-test has {len(self_test.images)} bytes of images, not a multiple of"
            f" {image_bytes}"
        )
    row_bytes = 4 * _fixed_size(probabilities)
    for file, answers in self_test.answers.items():
        if file not in files:
            raise InvalidVersion(f"self-test of {show(file)}: the folder has no such file")
        if len(answers.probabilities) != count * row_bytes or not answers.tolerance > 0:
            raise InvalidVersion(
                f"self-test of {show(file)}: {len(answers.probabilities)} bytes of answers for"
                f" {count} images, tolerance {answers.tolerance}"
            )
    return self_test


def _fixed_size(tensor: TensorSpec) -> int:
    """Return how many values one of the tensor has, where requests choose how many there are."""
    return math.prod(max(each or 1, 1) for each in tensor.shape)


def check_metrics(
    metrics: Mapping[str, Mapping[str, float]], files: frozenset[str]
) -> dict[str, dict[str, float]]:
    """Return the metrics; raise InvalidVersion for a number that can't be or a wrong file.

    NaN would be written as null and never read again.
    """
    for variant, values in metrics.items():
        if variant not in files:
            raise InvalidVersion(
                f"metrics for {show(variant)}: the folder has no such file; it has "
                + ", ".join(sorted(files))
            )
        for name, value in values.items():
            if not math.isfinite(value):
                raise InvalidVersion(
                    f"metric {show(name)} of {show(variant)} is {value}; measure it again, or leave"
                    " it out"
                )
            if _ACCURACY.fullmatch(name) and not 0 <= value <= 1:
                raise InvalidVersion(
                    f"metric {show(name)} of {show(variant)} is {value:g}; an accuracy is from 0 to"
                    " 1, such as 0.61 for 61 %"
                )
    return {variant: dict(values) for variant, values in metrics.items()}
