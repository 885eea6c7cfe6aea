"""Which version to load or unload next: a pure function of their states.

The rule is TensorFlow Serving's "availability preserving" one: load what is wanted before unloading
what isn't, so that there is always a version to answer.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass


class State(enum.StrEnum):
    """Where a version is in its life, as TensorFlow Serving names it."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclass(frozen=True)
class VersionView:
    """What the policy may know of a version: its state, and when a failed one may be retried."""

    version: int
    state: State
    retry_at: float | None = None


@dataclass(frozen=True)
class Load:
    """Load this version."""

    version: int


@dataclass(frozen=True)
class Unload:
    """Take this version out of service once nobody uses it any more."""

    version: int


@dataclass(frozen=True)
class Forget:
    """Drop the memory of a version that is neither wanted nor loaded."""

    version: int


Action = Load | Unload | Forget


def next_action(
    versions: Iterable[VersionView], aspired: Collection[int], now: float
) -> Action | None:
    """Return the one next step towards serving exactly the aspired versions, or None.

    Newest first: the newest version is the one people wait for. A version that isn't wanted any
    more stays while no wanted one is available, or while a wanted one that could replace it has
    yet to be tried.
    """
    by_version = {each.version: each for each in versions}
    loadable = [each for each in sorted(aspired, reverse=True) if _may_load(by_version, each, now)]
    if loadable:
        return Load(loadable[0])
    unwanted = [each for each in by_version.values() if each.version not in aspired]
    for each in sorted(unwanted, key=lambda each: each.version):
        if each.state is State.END:
            return Forget(each.version)
        if each.state is State.AVAILABLE and any(
            by_version[wanted].state is State.AVAILABLE
            for wanted in aspired
            if wanted in by_version
        ):
            return Unload(each.version)
    return None


def _may_load(by_version: dict[int, VersionView], version: int, now: float) -> bool:
    known = by_version.get(version)
    if known is None or known.state is State.START:
        return True
    return known.state is State.END and (known.retry_at is None or known.retry_at <= now)
