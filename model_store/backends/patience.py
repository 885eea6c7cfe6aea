"""How long to wait for a store on the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the store and how often to ask again.

    A store that is away, or takes a question and never answers, is told of within half a minute:
    four attempts, five seconds each, and the pauses between them.
    """

    connect_s: float = 5
    answer_s: float = 5
    transfer_s: float = 30
    retries: int = 3
    first_pause_s: float = 0.2
    pause_growth: float = 1.5

    @property
    def longest_s(self) -> float:
        """How long a question to a silent store takes at most.

        The pauses are those of the SDK's ExponentialRetry: the first one, plus the growth to the
        power of the attempt, give or take as much as the first one.
        """
        attempts_s = (1 + self.retries) * max(self.connect_s, self.answer_s)
        growth_s = sum(self.pause_growth**count for count in range(1, 1 + self.retries))
        return attempts_s + self.retries * 2 * self.first_pause_s + growth_s
