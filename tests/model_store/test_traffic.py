"""Weights and hand-made loading live in the catalog, so that a whole fleet follows them."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from model_store import Catalog, Conflict, Corrupt, InvalidTraffic, ModelStore, NotFound
from model_store.catalog_json import decode_catalog, encode_catalog
from model_store.identity import now
from tests.model_store.material import MODEL, make_folder, publish
from tests.model_store.memory_backend import MemoryBackend


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


def shelf(backend: MemoryBackend, who: str) -> ModelStore:
    ticks = count()
    return ModelStore(
        "test://shelf",
        backend,
        who=lambda: f"{who}@desk",
        now=lambda: now() + timedelta(milliseconds=next(ticks)),
    )


@pytest.fixture
def anna(backend: MemoryBackend, tmp_path: Path) -> ModelStore:
    """A shelf with the versions 1 to 3."""
    store = shelf(backend, "anna")
    folder = make_folder(tmp_path / "offered")
    for _ in range(3):
        publish(store, folder)
    return store


@pytest.fixture
def bert(backend: MemoryBackend) -> ModelStore:
    return shelf(backend, "bert")


def test_weights_are_set_and_history_says_who_from_and_to(anna: ModelStore) -> None:
    anna.set_weights(MODEL, {2: 90, 3: 10})
    catalog = anna.set_weights(MODEL, {3: 1}, by="clara")
    assert catalog.weights == {3: 1}
    assert [(e.by, e.action, e.weights_before, e.weights_after) for e in catalog.history] == [
        ("anna@desk", "weights", {}, {2: 90, 3: 10}),
        ("clara", "weights", {2: 90, 3: 10}, {3: 1}),
    ]
    assert anna.catalog(MODEL) == catalog


def test_of_two_operators_the_second_is_told_who_set_the_weights(
    anna: ModelStore, bert: ModelStore
) -> None:
    seen = bert.catalog(MODEL)
    anna.set_weights(MODEL, {2: 90, 3: 10})
    with pytest.raises(
        Conflict, match=r"were none when you looked and are 2=90 3=10 now: anna@desk set them at 20"
    ):
        bert.set_weights(MODEL, {2: 50, 3: 50}, seen=seen)
    catalog = bert.catalog(MODEL)
    assert catalog.weights == {2: 90, 3: 10}
    lost = catalog.history[-1]
    assert (lost.by, lost.action) == ("bert@desk", "refused")
    assert (lost.weights_before, lost.weights_after) == ({}, {2: 50, 3: 50})


@pytest.mark.parametrize(
    ("weights", "error", "reason"),
    [
        ({9: 1}, NotFound, "no version 9; it has 1, 2, 3"),
        ({1: 0}, InvalidTraffic, "weight 0 of version 1 isn't from 1"),
        ({1: 1_000_001}, InvalidTraffic, "isn't from 1 to 1,000,000"),
    ],
)
def test_weights_that_mean_nothing_are_refused(
    anna: ModelStore, weights: dict[int, int], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        anna.set_weights(MODEL, weights)
    assert anna.catalog(MODEL).weights == {}


def test_a_version_with_a_share_of_the_requests_is_not_deleted(anna: ModelStore) -> None:
    anna.set_weights(MODEL, {2: 90, 3: 10})
    with pytest.raises(Conflict, match=r"3 has a share of the requests \(2=90 3=10\); set other"):
        anna.delete(MODEL, 3)
    anna.set_weights(MODEL, {})
    anna.delete(MODEL, 3)
    assert anna.catalog(MODEL).numbers == (1, 2)


def test_a_version_is_loaded_or_unloaded_by_hand_never_both(anna: ModelStore) -> None:
    assert anna.load(MODEL, 1).loaded == (1,)
    catalog = anna.unload(MODEL, 1)
    assert (catalog.loaded, catalog.unloaded) == ((), (1,))
    catalog = anna.load(MODEL, 1, by="clara")
    assert (catalog.loaded, catalog.unloaded) == ((1,), ())
    assert [(e.by, e.action, e.before, e.after) for e in catalog.history] == [
        ("anna@desk", "load", None, 1),
        ("anna@desk", "unload", 1, None),
        ("clara", "load", None, 1),
    ]


def test_a_change_that_changes_nothing_is_no_change(anna: ModelStore) -> None:
    before = anna.load(MODEL, 1)
    assert anna.load(MODEL, 1) == before
    assert anna.set_weights(MODEL, {}) == before


def test_what_people_are_sent_to_is_not_unloaded(anna: ModelStore) -> None:
    anna.label(MODEL, "production", 1)
    anna.set_weights(MODEL, {2: 1})
    with pytest.raises(Conflict, match="1 is labelled production"):
        anna.unload(MODEL, 1)
    with pytest.raises(Conflict, match="2 has a share"):
        anna.unload(MODEL, 2)
    with pytest.raises(NotFound):
        anna.load(MODEL, 9)


def test_a_deleted_version_is_forgotten_by_what_was_loaded_by_hand(anna: ModelStore) -> None:
    anna.load(MODEL, 1)
    anna.unload(MODEL, 2)
    for version in (1, 2):
        anna.delete(MODEL, version)
    catalog = anna.catalog(MODEL)
    assert (catalog.loaded, catalog.unloaded) == ((), ())


def stamp(catalog: Catalog) -> int:
    return int(json.loads(encode_catalog(catalog))["format"])


def test_only_a_catalog_that_was_ever_steered_needs_the_new_format(anna: ModelStore) -> None:
    labelled = anna.label(MODEL, "production", 1)
    assert stamp(labelled) == 1
    assert b"weights" not in encode_catalog(labelled)
    assert stamp(anna.set_weights(MODEL, {1: 1})) == 3
    cleared = anna.set_weights(MODEL, {})
    assert stamp(cleared) == 3, "its history has events that older formats don't know"


def test_a_catalog_from_before_is_read(anna: ModelStore) -> None:
    old = encode_catalog(anna.label(MODEL, "production", 1))
    read = decode_catalog(old, model=MODEL, etag=None, where="here")
    assert (read.weights, read.loaded, read.unloaded) == ({}, (), ())


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights", {"9": 1}), ("weights", {"1": 0}), ("loaded", [9]), ("unloaded", [1])],
)
def test_a_catalog_that_contradicts_itself_is_corrupt(
    anna: ModelStore, key: str, value: object
) -> None:
    sheet = json.loads(encode_catalog(anna.load(MODEL, 1)))
    sheet[key] = value
    with pytest.raises(Corrupt, match="restore the catalog from a copy"):
        decode_catalog(json.dumps(sheet).encode(), model=MODEL, etag=None, where="here")
