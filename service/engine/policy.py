"""Which version to load or unload next: a pure function of their states.

The rule is TensorFlow Serving's "availability preserving" one: load what is wanted before unloading
what isn't, so that there is always a version to answer. With a memory budget, versions that aren't
wanted any more stay as long as they fit, so that going back to one takes no time.
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
    """What the policy may know of a version.

    Its state, when a failed one may be retried, and what it takes of the memory budget, or would
    take, as far as that is known.
    """

    version: int
    state: State
    retry_at: float | None = None
    size_bytes: int | None = None


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


@dataclass(frozen=True)
class Estimate:
    """Find out what this version will take of the memory budget."""

    version: int


@dataclass(frozen=True)
class Refuse:
    """Don't load this version, for this reason."""

    version: int
    reason: str


Action = Load | Unload | Forget | Estimate | Refuse


def next_action(
    versions: Iterable[VersionView],
    wanted: Wanted,
    routes: Routes,
    now: float,
    budget_bytes: int = 0,
) -> Action | None:
    """Return the one next step towards serving exactly the wanted versions, or None.

    The default comes first, then the newest: what people wait for. A version that isn't wanted any
    more stays while requests go to it, or while a wanted one that could replace it has yet to be
    tried. A fallback is loaded only where every wanted version has been tried and none can answer
    requests that name no version.

    With a budget, the oldest version that isn't wanted makes room for one that is; where nothing
    may go, the one that doesn't fit is refused.
    """
    shelf = _Loaded({each.version: each for each in versions}, wanted, routes, budget_bytes)
    for each in wanted.in_order:
        if shelf.may_load(each, now):
            return shelf.load_or_make_room(each)
    if routes.default is None and wanted.default is not None:
        for each in wanted.fallbacks:
            if shelf.may_load(each, now):
                return shelf.load_or_make_room(each)
    return shelf.tidy()


def check_fit(
    versions: Iterable[VersionView],
    wanted: Wanted,
    routes: Routes,
    budget_bytes: int,
    loaded: VersionView,
) -> str:
    """Say why a version that was just loaded takes too much after all; '' where it fits."""
    by_version = {each.version: each for each in versions if each.version != loaded.version}
    return _Loaded(by_version, wanted, routes, budget_bytes).why_not(loaded)


@dataclass(frozen=True)
class _Loaded:
    """What is in memory, and what of it is needed."""

    by_version: Mapping[int, VersionView]
    wanted: Wanted
    routes: Routes
    budget_bytes: int

    def may_load(self, version: int, now: float) -> bool:
        known = self.by_version.get(version)
        if known is None or known.state is State.START:
            return True
        return known.state is State.END and (known.retry_at is None or known.retry_at <= now)

    def load_or_make_room(self, version: int) -> Action:
        if not self.budget_bytes:
            return Load(version)
        known = self.by_version.get(version)
        if known is None or known.size_bytes is None:
            return Estimate(version)
        reason = self.why_not(known)
        if reason:
            return Refuse(version, reason)
        if self._taken(self._in_memory()) + known.size_bytes <= self.budget_bytes:
            return Load(version)
        return Unload(self._spare()[0].version)

    def why_not(self, version: VersionView) -> str:
        """Say why a version doesn't fit beside those that are needed; '' where it does."""
        size = version.size_bytes or 0
        needed = [each for each in self._in_memory() if each.version in self._needed()]
        if not self.budget_bytes or self._taken(needed) + size <= self.budget_bytes:
            return ""
        others = ", ".join(str(each.version) for each in needed) or "none"
        return (
            f"it takes {size / 1e6:.0f} MB and {self._taken(needed) / 1e6:.0f} MB of the"
            f" {self.budget_bytes / 1e6:.0f} MB for versions are taken by those in use ({others});"
            " give more, or have fewer wanted"
        )

    def tidy(self) -> Action | None:
        full = not self.budget_bytes or self._taken(self._in_memory()) > self.budget_bytes
        existing = self.wanted.existing
        for each in self._spare():
            if full or (existing is not None and each.version not in existing):
                return Unload(each.version)
        for version, view in sorted(self.by_version.items()):
            # When to retry a fallback that failed is remembered; the rest isn't worth it.
            failed_fallback = version in self.wanted.fallbacks and view.retry_at is not None
            if view.state is State.END and version not in self._needed() and not failed_fallback:
                return Forget(version)
        return None

    def _needed(self) -> frozenset[int]:
        return self.wanted.versions | self.routes.targets

    def _in_memory(self) -> list[VersionView]:
        there = (State.LOADING, State.AVAILABLE, State.UNLOADING)
        return [each for _, each in sorted(self.by_version.items()) if each.state in there]

    def _spare(self) -> list[VersionView]:
        """Return what could go, oldest first."""
        return [
            each
            for each in self._in_memory()
            if each.state is State.AVAILABLE and each.version not in self._needed()
        ]

    @staticmethod
    def _taken(versions: Iterable[VersionView]) -> int:
        return sum(each.size_bytes or 0 for each in versions)
