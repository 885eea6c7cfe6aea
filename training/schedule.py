"""The learning rate of each step: linear warm-up, then half a cosine down to zero."""

from __future__ import annotations

import math

import msgspec

_REFERENCE_BATCH = 256


class Schedule(msgspec.Struct, frozen=True):
    """`peak` is reached after `warmup_steps`; after `total_steps` the rate is zero.

    Warm-up as in Goyal et al. 2017 (arXiv:1706.02677), cosine as in Loshchilov and Hutter 2016
    (arXiv:1608.03983).
    """

    peak: float
    warmup_steps: int
    total_steps: int

    def at(self, step: int) -> float:
        """Return the learning rate of `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / (self.warmup_steps + 1)
        span = max(1, self.total_steps - self.warmup_steps)
        done = min(1.0, (step - self.warmup_steps) / span)
        return 0.5 * self.peak * (1.0 + math.cos(math.pi * done))


def scaled_rate(rate: float, global_batch: int) -> float:
    """Return the peak for `global_batch` images a step, given the rate for 256."""
    return rate * global_batch / _REFERENCE_BATCH
