"""How long a step of data-parallel training takes: compute, and gradients around a ring.

A ring all-reduce sends 2(n-1)/n of the bytes out of every rank, in 2(n-1) messages (Patarasuk and
Yuan 2009, doi:10.1016/j.jpdc.2008.09.002). Gradients leave in buckets, last layers first, while
the backward pass is still at the first layers; the link takes one bucket after the other. What is
sent costs a processor time too, where the processor that computes also feeds the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A rank's share of the network: bytes a second each way, and seconds for a message."""

    bytes_per_s: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Gradients that travel together: their bytes, and when in the backward pass they are ready.

    `ready` is the part of the backward pass that is done by then, 0 to 1.
    """

    size_bytes: float
    ready: float


@dataclass(frozen=True, slots=True)
class Step:
    """One rank's step on its own, in seconds, and what its gradients cost its processor."""

    forward_s: float
    backward_s: float
    update_s: float
    buckets: tuple[Bucket, ...]
    handling_s_per_byte: float = 0.0

    @property
    def compute_s(self) -> float:
        """Return the time without any other rank."""
        return self.forward_s + self.backward_s + self.update_s


def ring_s(size_bytes: float, ranks: int, link: Link) -> float:
    """Return how long one all-reduce takes on an idle link."""
    turns = 2 * (ranks - 1)
    return turns * (size_bytes / ranks / link.bytes_per_s + link.latency_s)


def step_s(step: Step, ranks: int, link: Link) -> float:
    """Return how long a step takes with so many ranks, each with such a link."""
    if ranks == 1:
        return step.compute_s
    handling_s = step.handling_s_per_byte * sum(bucket.size_bytes for bucket in step.buckets)
    computed = step.forward_s + step.backward_s + handling_s
    sent = 0.0
    for bucket in step.buckets:
        ready = step.forward_s + bucket.ready * (step.backward_s + handling_s)
        sent = max(sent, ready) + ring_s(bucket.size_bytes, ranks, link)
    return max(computed, sent) + step.update_s


def efficiency(step: Step, ranks: int, link: Link) -> float:
    """Return the images a second of all ranks over those of as many that don't meet."""
    return step.compute_s / step_s(step, ranks, link)


def buckets_of(
    sizes_bytes: Sequence[float], costs: Sequence[float], groups: Sequence[Sequence[int]]
) -> tuple[Bucket, ...]:
    """Return the buckets of variables in the order of the forward pass.

    `costs` is the backward work of each variable's layer, in any unit; `groups` are the positions
    in each bucket, in the order in which they leave. A bucket is ready with its first layer.
    """
    total = sum(costs)
    buckets = []
    for group in groups:
        done = sum(costs[min(group) :])
        buckets.append(Bucket(sum(sizes_bytes[each] for each in group), done / total))
    return tuple(buckets)
