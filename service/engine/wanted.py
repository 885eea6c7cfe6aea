"""What is to be served, whole and at once: from a catalog and a setting to one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_store import Catalog
from service.settings import Serve

# So many versions that aren't wanted are tried where none of those that are can be served.
FALLBACKS = 3


@dataclass(frozen=True)
class Wanted:
    """Everything that is to be served.

    `default` answers requests that name no version, unless `weights` share them out among several;
    shares are relative to their sum. `labels` may point at versions that aren't in `versions`
    (where a setting pins those). `fallbacks`, best first, answer in place of a default that can't
    be served where nothing answered before. `existing` are all that the catalog has, None where it
    isn't known: what was deleted isn't kept in memory.
    """

    versions: frozenset[int] = frozenset()
    default: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[int, int] = field(default_factory=dict)
    fallbacks: tuple[int, ...] = ()
    existing: frozenset[int] | None = None

    @property
    def in_order(self) -> tuple[int, ...]:
        """The wanted versions in the order in which people wait for them."""
        newest_first = sorted(self.versions, reverse=True)
        return tuple(sorted(newest_first, key=lambda each: each != self.default))


def wanted_of(catalog: Catalog, serve: Serve) -> Wanted:
    """Return what the catalog wants served where `serve` is set.

    `versions:…` is a pin: exactly those, whatever the catalog says. Otherwise versions are wanted
    beside those that `serve` picks that have a label, a weight, or were loaded by hand.
    """
    picked = _picked(catalog, serve)
    versions = frozenset(picked)
    if not serve.versions:
        versions |= {*catalog.labels.values(), *catalog.weights, *catalog.loaded}
    return Wanted(
        versions=versions,
        default=picked[0] if picked else None,
        labels=dict(catalog.labels),
        weights=dict(catalog.weights),
        fallbacks=_fallbacks(catalog, serve, picked),
        existing=frozenset(catalog.numbers),
    )


def _picked(catalog: Catalog, serve: Serve) -> tuple[int, ...]:
    """Return what the setting alone picks, best first."""
    if serve.label:
        labelled = catalog.labels.get(serve.label)
        return () if labelled is None else (labelled,)
    if serve.versions:
        return tuple(each for each in reversed(serve.versions) if catalog.exists(each))
    return _newest(catalog)[: serve.latest]


def _newest(catalog: Catalog) -> tuple[int, ...]:
    """Return the versions that nobody unloaded, newest first."""
    return tuple(
        each.version for each in reversed(catalog.versions) if each.version not in catalog.unloaded
    )


def _fallbacks(catalog: Catalog, serve: Serve, picked: tuple[int, ...]) -> tuple[int, ...]:
    before: tuple[int | None, ...] = ()
    if serve.label:
        before = tuple(
            event.before
            for event in reversed(catalog.history)
            if event.label == serve.label and event.action != "refused"
        )
    elif serve.latest:
        before = _newest(catalog)[serve.latest :]
    older = [each for each in before if each is not None and catalog.exists(each)]
    return tuple(dict.fromkeys((*picked[1:], *older[:FALLBACKS])))
