"""How large images are at each step: progressive resizing, from small ones to whole ones.

Small images at first cost a fraction of the work and teach most of what large ones do (Howard's
entry to DAWNBench, 2018; Tan and Le 2021, arXiv:2104.00298, section 4). Evaluation and export
always take whole images.
"""

from __future__ import annotations

import itertools
import re

import msgspec

from imaging import SIDE
from training.errors import UsageError

SMALLEST = 16
_STAGE = re.compile(r"(\d+)(?:@(\d*\.?\d+))?")


class Stage(msgspec.Struct, frozen=True):
    """From this part of all steps on, images are `side` × `side` pixels."""

    side: int
    start: float


class Resolutions(msgspec.Struct, frozen=True):
    """The stages in order; the first one starts at 0."""

    stages: tuple[Stage, ...]

    @property
    def sides(self) -> tuple[int, ...]:
        """Return each side once, ascending."""
        return tuple(sorted({stage.side for stage in self.stages}))

    @property
    def largest(self) -> int:
        """Return the largest side, which memory is needed for."""
        return self.sides[-1]

    def at(self, step: int, total_steps: int) -> int:
        """Return the side of the images of `step`, counted from 0."""
        begun = [stage for stage in self.stages if step >= _first_step(stage, total_steps)]
        return begun[-1].side

    def steps(self, total_steps: int) -> list[tuple[int, int]]:
        """Return (side, steps) of each stage that has steps."""
        starts = [*(_first_step(stage, total_steps) for stage in self.stages), total_steps]
        lengths = [after - before for before, after in itertools.pairwise(starts)]
        found = zip(self.stages, lengths, strict=True)
        return [(stage.side, length) for stage, length in found if length]


def parse_resolutions(text: str) -> Resolutions:
    """Return what `32@0,48@0.4,64@0.7` or `64` means. Raises UsageError for anything else."""
    stages: list[Stage] = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part.strip())
        if match is None:
            raise _not_allowed(text, f"{part.strip() or 'nothing'} isn't SIDE@START")
        side, start = int(match[1]), float(match[2] or (0.0 if not stages else "nan"))
        if not SMALLEST <= side <= SIDE:
            raise _not_allowed(text, f"sides are from {SMALLEST} to {SIDE} pixels")
        stages.append(Stage(side, start))
    starts = [stage.start for stage in stages]
    rising = all(before < after for before, after in itertools.pairwise(starts))
    if starts[0] != 0.0 or not rising or not starts[-1] < 1.0:
        raise _not_allowed(text, "starts are parts of all steps: the first 0, each later, below 1")
    return Resolutions(tuple(stages))


def _first_step(stage: Stage, total_steps: int) -> int:
    return round(stage.start * total_steps)


def _not_allowed(text: str, why: str) -> UsageError:
    return UsageError(f"--resolution {text}: {why}; such as 64, or 32@0,48@0.4,64@0.7")
