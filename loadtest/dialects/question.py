"""A question as it goes over HTTP, and what any dialect's answer says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from loadtest.faults import misshapen
from loadtest.samples import Sample

# Gives the labels of a version's outputs, in their order.
NamesOf: TypeAlias = Callable[[str], Sequence[str]]

# What float32 rows may miss of 1 when they come as decimal numbers.
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class Ranked:
    """The two most probable classes of one image, best first, by their labels."""

    label: str
    score: float
    second_label: str = ""
    second_score: float = 0.0


@dataclass(frozen=True)
class Reply:
    """What an answer says of each image, in order, and of its version ('' if nothing)."""

    images: tuple[Ranked, ...]
    version: str = ""


@dataclass(frozen=True)
class Question:
    """One request for predictions.

    `read` makes a reply of an answer's headers (names in lower case) and body; it raises
    WrongAnswer. `version` or `label`, where set, must have answered.
    """

    path: str
    body: bytes
    samples: tuple[Sample, ...]
    read: Callable[[Mapping[str, str], bytes], Reply]
    headers: dict[str, str] = field(default_factory=dict)
    version: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.version and self.label:
            raise ValueError("a question names a version or a label, not both")


def read_json(body: bytes) -> Any:
    """Return what a JSON body says; raises WrongAnswer if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise misshapen(f"{error}: {body[:80]!r}") from error


def rank_row(row: Any, classes: Sequence[str]) -> Ranked:
    """Return the best two of one image's probabilities, one for each class."""
    if not isinstance(row, Sequence) or len(row) != len(classes):
        raise misshapen(f"expected {len(classes)} probabilities for each image")
    try:
        total, best = sum(row), max(row)
        first = row.index(best)
        second, second_score = _runner_up(row, first)
    except (TypeError, ValueError) as error:
        raise misshapen(f"a probability isn't a number: {error}") from error
    if not abs(total - 1) < _SUM_TOLERANCE:
        raise misshapen(f"probabilities add up to {total:.3f}")
    return Ranked(classes[first], best, classes[second], second_score)


def rank_pairs(pairs: Sequence[tuple[Any, Any]]) -> Ranked:
    """Return the best two of (label, score) pairs, which must come best first."""
    if not pairs:
        raise misshapen("no classes for an image")
    for label, score in pairs:
        if not isinstance(label, str) or not isinstance(score, int | float):
            raise misshapen("a class has a label and a number as its score")
    scores = [score for _, score in pairs]
    if scores != sorted(scores, reverse=True) or not 0 <= scores[-1] <= scores[0] <= 1.0001:
        raise misshapen("scores are from 0 to 1, the best class first")
    second = pairs[1] if len(pairs) > 1 else ("", 0.0)
    return Ranked(*pairs[0], *second)


def expect_count(found: Any, images: int, what: str) -> list[Any]:
    """Return a list if it has one element for each image; raises WrongAnswer otherwise."""
    if not isinstance(found, list) or len(found) != images:
        raise misshapen(f"expected {images} {what}")
    return found


def _runner_up(row: Sequence[float], first: int) -> tuple[int, float]:
    score = max(max(row[:first], default=-1.0), max(row[first + 1 :], default=-1.0))
    second = row.index(score)
    return (second, score) if second != first else (row.index(score, first + 1), score)
