"""Open-loop load: requests begin when they are due, whatever became of those before.

A closed loop waits for the answer before it asks again; a service that stalls for two seconds is
asked nothing meanwhile, and all but a few latencies look fine. Here each request has a moment at
which it ought to begin, and its latency counts from that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Schedule:
    """Evenly spaced moments at a rate that may change; times in s of one clock."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._next_s = float("inf")

    @property
    def rate(self) -> float:
        """Moments a second."""
        return self._rate

    @property
    def next_s(self) -> float:
        """When the next one is due; infinity at rate 0."""
        return self._next_s

    def change(self, rate: float, now_s: float) -> None:
        """Go on at another rate; what is left of the present gap shrinks or grows with it."""
        left = max(0.0, self._next_s - now_s) * self._rate if self._rate else 0.0
        self._rate = rate
        self._next_s = now_s + left / rate if rate > 0 else float("inf")

    def take_due(self, now_s: float) -> list[float]:
        """Return the moments that have come, oldest first, each once."""
        due = []
        while self._next_s <= now_s:
            due.append(self._next_s)
            self._next_s += 1 / self._rate
        return due


class Turns:
    """Whose turn it is, so that each kind gets its share of turns at any time."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def take(self, weights: Mapping[str, float]) -> str:
        """Return one of the kinds; over many calls, each as often as its weight says."""
        for kind, weight in weights.items():
            self._credit[kind] = self._credit.get(kind, 0.0) + weight
        chosen = max(weights, key=lambda kind: self._credit[kind])
        self._credit[chosen] -= sum(weights.values())
        return chosen


class Waiter(Protocol):
    """A user that waits for something to do."""

    def set(self, intended_s: float) -> None:
        """Let it begin, with the moment at which it ought to."""


@dataclass
class Desk:
    """Hands moments to waiting users of each kind; those without a user wait for one.

    The user that came last goes first: the fewest connections stay busy, as few as are needed.
    """

    waiting: dict[Hashable, list[Waiter]] = field(default_factory=dict)
    overdue: dict[Hashable, deque[float]] = field(default_factory=dict)

    def give(self, kind: Hashable, intended_s: float) -> None:
        """Have a user of this kind begin, or the next one that comes."""
        users = self.waiting.get(kind)
        if users:
            users.pop().set(intended_s)
        else:
            self.overdue.setdefault(kind, deque()).append(intended_s)

    def take_overdue(self, kind: Hashable) -> float | None:
        """Return the oldest moment that nobody was free for, if any."""
        overdue = self.overdue.get(kind)
        return overdue.popleft() if overdue else None

    def queue(self, kind: Hashable, waiter: Waiter) -> None:
        """Have a user wait."""
        self.waiting.setdefault(kind, []).append(waiter)

    def leave(self, kind: Hashable, waiter: Waiter) -> None:
        """Have a user wait no longer, if it still does."""
        users = self.waiting.get(kind, [])
        if waiter in users:
            users.remove(waiter)

    def clear(self) -> None:
        """Forget moments that nobody took; those who wait stay."""
        self.overdue.clear()
