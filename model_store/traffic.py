"""How services are told to share requests out, and what to load or unload, by hand.

Pure functions from one catalog to the next, safe to repeat like those in `transitions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from model_store.catalog import Catalog, Event, shares
from model_store.errors import Conflict, InvalidTraffic
from model_store.transitions import check_unused, without_version

HEAVIEST = 1_000_000


def weigh(
    catalog: Catalog,
    weights: Mapping[int, int],
    *,
    seen: Mapping[int, int],
    at: str,
    by: str,
) -> Catalog:
    """Share requests that name no version out by these weights if they are still as `seen`.

    No weights: all requests go to one version. Raises InvalidTraffic for a weight that isn't from
    1 to 1,000,000, NotFound where there is no such version, Conflict where somebody changed them.
    """
    wanted = dict(sorted(weights.items()))
    event = Event(at, by, "weights", None, None, None, dict(seen), wanted)
    if event in catalog.history:
        return catalog
    for version, weight in wanted.items():
        catalog.check_exists(version)
        if not 1 <= weight <= HEAVIEST:
            raise InvalidTraffic(
                f"{catalog.model}: the weight {weight} of version {version} isn't from 1 to"
                f" {HEAVIEST:,}; leave a version out that is to get nothing"
            )
    if catalog.weights == wanted:
        return catalog
    if catalog.weights != seen:
        raise Conflict(_who_weighed(catalog, seen))
    return _steered(replace(catalog, weights=wanted), event)


def note_refused_weights(
    catalog: Catalog,
    weights: Mapping[int, int],
    *,
    seen: Mapping[int, int],
    at: str,
    by: str,
) -> Catalog:
    """Record weights that lost to others; where they are as `seen`, none have lost."""
    wanted = dict(sorted(weights.items()))
    event = Event(at, by, "refused", None, None, None, dict(seen), wanted)
    if event in catalog.history or catalog.weights == seen:
        return catalog
    return replace(catalog, history=(*catalog.history, event))


def load(catalog: Catalog, version: int, *, at: str, by: str) -> Catalog:
    """Have services load the version, whatever else they choose; raise NotFound without it."""
    catalog.check_exists(version)
    if version in catalog.loaded:
        return catalog
    return _steered(
        replace(
            catalog,
            loaded=tuple(sorted((*catalog.loaded, version))),
            unloaded=without_version(catalog.unloaded, version),
        ),
        Event(at, by, "load", None, None, version),
    )


def unload(catalog: Catalog, version: int, *, at: str, by: str) -> Catalog:
    """Have services not choose the version any more.

    Raises NotFound without it, Conflict while a label or weight names it.
    """
    catalog.check_exists(version)
    if version in catalog.unloaded:
        return catalog
    check_unused(catalog, version)
    return _steered(
        replace(
            catalog,
            loaded=without_version(catalog.loaded, version),
            unloaded=tuple(sorted((*catalog.unloaded, version))),
        ),
        Event(at, by, "unload", None, version, None),
    )


def _steered(catalog: Catalog, event: Event) -> Catalog:
    return replace(
        catalog,
        history=(*catalog.history, event),
        traffic_changes=catalog.traffic_changes + 1,
    )


def _who_weighed(catalog: Catalog, seen: Mapping[int, int]) -> str:
    told = "its recent history doesn't say who set them"
    for event in reversed(catalog.history):
        if event.action == "weights":
            told = f"{event.by} set them at {event.at}"
            break
    return (
        f"{catalog.model}: the weights were {shares(seen)} when you looked and are"
        f" {catalog.shares} now: {told}; look again before you decide"
    )
