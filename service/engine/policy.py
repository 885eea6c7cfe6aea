"""Which version to load or unload next: a pure function of their states.

The rule is TensorFlow Serving's "availability preserving" one: load what is wanted before unloading
what isn't, so that there is always a version to answer.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.engine.routes import Routes
from service.engine.wanted import Wanted


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
    versions: Iterable[VersionView], wanted: Wanted, routes: Routes, now: float
) -> Action | None:
    """Return the one next step towards serving exactly the wanted versions, or None.

    The default comes first, then the newest: what people wait for. A version that isn't wanted any
    more stays while requests go to it, or while a wanted one that could replace it has yet to be
    tried. A fallback is loaded only where every wanted version has been tried and none can answer
    requests that name no version.
    """
    by_version = {each.version: each for each in versions}
    for each in wanted.in_order:
        if _may_load(by_version, each, now):
            return Load(each)
    if routes.default is None and wanted.default is not None:
        for each in wanted.fallbacks:
            if _may_load(by_version, each, now):
                return Load(each)
    return _tidy(by_version, wanted, routes)


def _tidy(by_version: Mapping[int, VersionView], wanted: Wanted, routes: Routes) -> Action | None:
    needed = wanted.versions | routes.targets
    for version, view in sorted(by_version.items()):
        if version in needed:
            continue
        if view.state is State.AVAILABLE:
            return Unload(version)
        if view.state is State.END and version not in wanted.fallbacks:
            return Forget(version)
    return None


def _may_load(by_version: Mapping[int, VersionView], version: int, now: float) -> bool:
    known = by_version.get(version)
    if known is None or known.state is State.START:
        return True
    return known.state is State.END and (known.retry_at is None or known.retry_at <= now)
