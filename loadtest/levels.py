"""Shapes of load over a run, as shares of its peak."""

from __future__ import annotations

import math
from collections.abc import Callable

# Where a spike begins and ends, as shares of the run, and what there is beside it.
_SPIKE = (0.4, 0.6)
_BESIDE_SPIKE = 0.2
_NIGHT = 0.2

Level = Callable[[float], float]


def steady(_: float) -> float:
    """The peak, all along."""
    return 1.0


def spike(done: float) -> float:
    """A fifth of the peak, but the whole of it from 40% to 60% of the run."""
    begin, end = _SPIKE
    return 1.0 if begin <= done < end else _BESIDE_SPIKE


def day(done: float) -> float:
    """Midnight to midnight: a fifth of the peak at night, one hump by day with a dip at noon."""
    by_day = (1 - math.cos(2 * math.pi * done)) / 2
    noon = math.exp(-(((done - 0.52) / 0.035) ** 2))
    return max(_NIGHT, min(1.0, 1.05 * by_day) * (1 - 0.25 * noon))


# `knee` isn't among them: it goes by what it measures.
LEVELS: dict[str, Level] = {"steady": steady, "spike": spike, "soak": steady, "day": day}
