"""Finds the highest rate at which the objectives hold: up in large steps, then in halves."""

from __future__ import annotations

from dataclasses import dataclass, field

_UP = 1.5
_CLOSE_ENOUGH = 1.05


@dataclass(frozen=True)
class Step:
    """One rate that was tried, and what broke there ('' where all objectives held)."""

    rate: float
    broke: str


@dataclass
class KneeSearch:
    """Which rate to try next; pure, so that a test can walk it."""

    rate: float
    steps: list[Step] = field(default_factory=list)

    @property
    def highest_good(self) -> float:
        """The highest rate that held so far, 0 if none did."""
        return max((step.rate for step in self.steps if not step.broke), default=0.0)

    @property
    def lowest_bad(self) -> float:
        """The lowest rate that broke above it, infinity if none did."""
        good = self.highest_good
        return min(
            (step.rate for step in self.steps if step.broke and step.rate > good),
            default=float("inf"),
        )

    @property
    def is_over(self) -> bool:
        """Whether the knee is known to 5%, or not even one request a second holds."""
        good, bad = self.highest_good, self.lowest_bad
        return bad <= max(1.0, good * _CLOSE_ENOUGH)

    def tell(self, broke: str) -> None:
        """Note what broke at the present rate, and choose the next one."""
        self.steps.append(Step(self.rate, broke))
        good, bad = self.highest_good, self.lowest_bad
        if bad == float("inf"):
            self.rate = good * _UP
        elif not good:
            self.rate = bad / 2
        else:
            self.rate = (good + bad) / 2
