"""What can be wrong with an answer; each kind has a name that verdicts use.

Fault
├── Refused      no answer, or one that says no
└── WrongAnswer  an answer that isn't true
"""

from __future__ import annotations


class Fault(Exception):
    """A request that didn't end as it should; `kind` is what verdicts count it under."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Refused(Fault):
    """The service didn't answer, or answered that it can't."""


class WrongAnswer(Fault):
    """The service answered, and what it said isn't right."""


SHAPE = "not of the promised shape"
CLASS = "another class or score than known for the image"
MIXED_VERSIONS = "header and body name different versions"
OTHER_VERSION = "not the version that was asked for"
REPLACED_VERSION = "from a version that had been replaced"
ACCEPTED = "accepted what had to be refused"


def misshapen(detail: str) -> WrongAnswer:
    """Return the fault of an answer that isn't built as its dialect promises."""
    return WrongAnswer(SHAPE, detail)
