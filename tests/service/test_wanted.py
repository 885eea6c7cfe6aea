"""What a catalog wants served, as a table of settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model_store import Catalog, Event, VersionEntry
from model_store.catalog import VersionPage
from service.engine.wanted import Wanted, wanted_of
from service.settings import Serve

AT = "2026-01-01T00:00:00.000000Z"


def entry(version: int) -> VersionEntry:
    return VersionEntry(version, "0" * 64, AT, "anna@desk", 1)


def moved(label: str, before: int | None, after: int | None) -> Event:
    return Event(AT, "anna@desk", "label", label, before, after)


SHELF = Catalog(
    "resnet50",
    versions=tuple(map(entry, range(1, 8))),
    labels={"production": 2, "canary": 6},
    history=(
        moved("production", None, 4),
        moved("canary", None, 6),
        moved("production", 4, 3),
        moved("production", 3, 2),
    ),
)


@pytest.mark.parametrize(
    ("serve", "versions", "default", "fallbacks"),
    [
        (Serve(latest=1), {2, 6, 7}, 7, (6, 5, 4)),
        (Serve(latest=2), {2, 6, 7}, 7, (6, 5, 4, 3)),
        (Serve(latest=9), {1, 2, 3, 4, 5, 6, 7}, 7, (6, 5, 4, 3, 2, 1)),
        (Serve(label="production"), {2, 6}, 2, (3, 4)),
        (Serve(label="unheard-of"), {2, 6}, None, ()),
        (Serve(versions=(1, 3, 9)), {1, 3}, 3, (1,)),
    ],
    ids=str,
)
def test_the_setting_picks_and_labels_come_on_top(
    serve: Serve, versions: set[int], default: int | None, fallbacks: tuple[int, ...]
) -> None:
    wanted = wanted_of(SHELF, serve)
    assert wanted == Wanted(
        versions=frozenset(versions),
        default=default,
        labels={"production": 2, "canary": 6},
        fallbacks=fallbacks,
        existing=frozenset(range(1, 8)),
    )


def test_weighted_and_loaded_versions_are_wanted_beside_the_newest() -> None:
    steered = replace(SHELF, labels={}, weights={3: 90, 4: 10}, loaded=(1,))
    wanted = wanted_of(steered, Serve(latest=1))
    assert wanted.versions == {1, 3, 4, 7}
    assert (wanted.default, wanted.weights) == (7, {3: 90, 4: 10})


def test_an_unloaded_version_is_not_picked_but_a_label_on_it_is_honoured() -> None:
    steered = replace(SHELF, unloaded=(6, 7))
    wanted = wanted_of(steered, Serve(latest=1))
    assert wanted.versions == {2, 5, 6}, "6 has the label canary"
    assert (wanted.default, wanted.fallbacks) == (5, (4, 3, 2))


def test_pinned_versions_are_served_whatever_the_catalog_says() -> None:
    steered = replace(SHELF, weights={3: 9, 7: 1}, loaded=(1,), unloaded=(5,))
    wanted = wanted_of(steered, Serve(versions=(3, 5)))
    assert wanted.versions == {3, 5}
    assert wanted.weights == {3: 9, 7: 1}, "7 isn't there and leaves its share to 3"


def test_a_version_that_is_archived_is_served_when_told_to() -> None:
    archived = Catalog("resnet50", version_pages=(VersionPage("_versions-251-0a", "", ((1, 99),)),))
    assert wanted_of(archived, Serve(versions=(50, 200))).versions == {50}


def test_the_default_comes_first_then_the_newest() -> None:
    assert wanted_of(SHELF, Serve(label="production")).in_order == (2, 6)
    assert wanted_of(SHELF, Serve(latest=2)).in_order == (7, 6, 2)
