"""Which version answers which kind of request: a pure function of what is wanted and loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from service.engine.wanted import Wanted


@dataclass(frozen=True)
class Routes:
    """Where requests go that name no version, or a label; all targets are loaded."""

    default: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def targets(self) -> frozenset[int]:
        """The versions that may not go away while requests are sent to them."""
        default = () if self.default is None else (self.default,)
        return frozenset((*default, *self.labels.values()))


def next_routes(current: Routes, wanted: Wanted, available: Collection[int]) -> Routes:
    """Return where requests go now.

    What answers goes on answering until its successor is loaded: a route moves only to a version
    that is available, and a label that was removed ends at once.
    """
    defaults = (wanted.default, current.default, *wanted.fallbacks)
    labels = {}
    for label, target in wanted.labels.items():
        found = _first((target, current.labels.get(label)), available)
        if found is not None:
            labels[label] = found
    return Routes(_first(defaults, available), labels)


def _first(candidates: Collection[int | None], available: Collection[int]) -> int | None:
    return next((each for each in candidates if each in available), None)
