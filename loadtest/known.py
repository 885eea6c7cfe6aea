"""What is known of each image: the answer that a version gave to it before, twice alike.

Nobody has to write answers down beforehand. The first two answers of a version that agree about an
image make it known; one of the first that disagrees is found out with the next. Teams that have
answers of their own (`--known FILE`) give them besides, and those are never outvoted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.dialects.question import Ranked
from loadtest.faults import CLASS, WrongAnswer
from loadtest.samples import Sample

# Other batches and decimal places move a score; another class or image moves it further.
TOLERANCE = 0.02


@dataclass
class KnownAnswers:
    """Judges answers about images; `expected` has labels by the name of an image's file."""

    expected: Mapping[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, str], Ranked] = field(default_factory=dict)
    _heard: dict[tuple[str, str], list[Ranked]] = field(default_factory=dict)

    def judge(self, version: str, sample: Sample, found: Ranked) -> None:
        """Raise WrongAnswer if the answer is known to be another; learn from it otherwise.

        The one that raises may be judging an earlier answer than its own: the fault's detail
        tells.
        """
        label = self.expected.get(sample.name)
        if label is not None and found.label != label:
            raise _wrong(sample, f"{label!r} as --known says", found)
        key = (version, sample.name)
        known = self._known.get(key)
        if known is None:
            self._learn(key, sample, found)
        elif not agree(known, found):
            raise _wrong(sample, _show(known), found)

    def __len__(self) -> int:
        """How many images of how many versions are known."""
        return len(self._known)

    def _learn(self, key: tuple[str, str], sample: Sample, found: Ranked) -> None:
        heard = self._heard.setdefault(key, [])
        if not any(agree(each, found) for each in heard):
            heard.append(found)
            return
        self._known[key] = found
        odd = [each for each in self._heard.pop(key) if not agree(each, found)]
        if odd:
            raise _wrong(sample, _show(found), odd[0], "an earlier answer: ")


def agree(one: Ranked, other: Ranked) -> bool:
    """Say whether two answers to one image are the same but for arithmetic.

    Where two classes are about equally probable, either may come first.
    """
    if one.label == other.label:
        return abs(one.score - other.score) <= TOLERANCE
    return (
        one.label == other.second_label
        and other.label == one.second_label
        and max(one.score - one.second_score, other.score - other.second_score) <= TOLERANCE
    )


def read_expected(path: Path, classes: list[str]) -> dict[str, str]:
    """Read labels by image file from JSON: `{"cat.jpg": "tabby", …}`.

    Raises ValueError, naming the file and the entry, for anything else or for a label that the
    model doesn't have.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        # It is a file that is wrong, no type of ours.
        raise ValueError(f'{path}: expected {{"cat.jpg": "tabby", …}}')  # noqa: TRY004
    for name, label in found.items():
        if label not in classes:
            raise ValueError(f"{path}: {name!r}: the model has no class {label!r}")
    return found


def _wrong(sample: Sample, expected: str, found: Ranked, remark: str = "") -> WrongAnswer:
    return WrongAnswer(CLASS, f"{remark}{sample.name}: expected {expected}, got {_show(found)}")


def _show(ranked: Ranked) -> str:
    return f"{ranked.label!r} ({ranked.score:.3f})"
