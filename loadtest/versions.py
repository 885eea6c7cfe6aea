"""Which version has to answer: none that was replaced before the question was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.faults import REPLACED_VERSION, WrongAnswer

DEFAULT = ""


@dataclass(frozen=True)
class Belief:
    """Versions of which any may answer, and the moment (of the clock of requests) we knew it by."""

    versions: frozenset[str]
    since_s: float


@dataclass
class VersionWatch:
    """Follows the version behind the default or a label, as one process sees it.

    An answer by a version that isn't believed in is either the news of a swap or a fault. `ask`
    says which: it returns the versions that the service itself names for a label (DEFAULT for
    requests that name none; several where weights share them out), or none if it can't say.
    `now_s` is the clock of requests; `settle_s` is how long after a swap the old version may answer
    still, for fleets in which each service follows by itself.
    """

    ask: Callable[[str], frozenset[str]]
    now_s: Callable[[], float]
    settle_s: float = 0.0
    _beliefs: dict[str, Belief] = field(default_factory=dict)

    def judge(self, label: str, version: str, asked_s: float) -> None:
        """Raise WrongAnswer if a question asked at a time was answered by a replaced version."""
        belief = self._beliefs.get(label)
        if belief is not None and (
            version in belief.versions or asked_s < belief.since_s + self.settle_s
        ):
            return
        said = self.ask(label)
        # Another user may have asked meanwhile, and what was said to them may be newer.
        if self._beliefs.get(label) is not belief:
            self.judge(label, version, asked_s)
        elif belief is not None and said == belief.versions:
            raise WrongAnswer(
                REPLACED_VERSION,
                f"version {version} answered, but version {' or '.join(sorted(said))} had replaced"
                f" it {asked_s - belief.since_s:.1f} s before",
            )
        elif said:
            self._beliefs[label] = Belief(said, self.now_s())
