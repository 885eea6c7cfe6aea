"""Which version has to answer: none that was replaced before the question was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.faults import REPLACED_VERSION, WrongAnswer

DEFAULT = ""


@dataclass
class Belief:
    """The version that answers now, and the moment (of the clock of requests) we knew it by."""

    version: str
    since_s: float


@dataclass
class VersionWatch:
    """Follows the version behind the default or a label, as one process sees it.

    An answer by another version than the one believed in is either the news of a swap or a fault.
    `ask` says which: it returns the version that the service itself names for a label (DEFAULT for
    requests that name none), or '' if it can't say. `now_s` is the clock of requests; `settle_s` is
    how long after a swap the old version may answer still, for fleets in which each service
    follows by itself.
    """

    ask: Callable[[str], str]
    now_s: Callable[[], float]
    settle_s: float = 0.0
    shared: bool = False
    _beliefs: dict[str, Belief] = field(default_factory=dict)

    def judge(self, label: str, version: str, asked_s: float) -> None:
        """Raise WrongAnswer if a question asked at a time was answered by a replaced version."""
        if self.shared:
            return
        belief = self._beliefs.get(label)
        if belief is not None and version == belief.version:
            return
        if belief is not None and asked_s < belief.since_s + self.settle_s:
            return
        said = self.ask(label)
        # Another user may have asked meanwhile, and what was said to them may be newer.
        latest = self._beliefs.get(label)
        if latest is not belief:
            self.judge(label, version, asked_s)
            return
        if belief is not None and said == belief.version:
            raise WrongAnswer(
                REPLACED_VERSION,
                f"version {version} answered, but version {said} had replaced it"
                f" {asked_s - belief.since_s:.1f} s before",
            )
        if said:
            self._beliefs[label] = Belief(said, self.now_s())
