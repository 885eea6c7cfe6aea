"""A catalog of many versions keeps its older rows in pages, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store import (
    Catalog,
    Corrupt,
    ModelStore,
    NotFound,
    StoreError,
    VersionCache,
)
from model_store.archive import Bounds
from model_store.backends.base import Backend
from model_store.catalog_json import decode_catalog, encode_catalog
from model_store.garbage import Collector
from model_store.identity import now
from model_store.labels import Labels
from model_store.layout import parse_page
from model_store.ledger import Ledger
from model_store.traffic import load, unload, weigh
from model_store.transitions import commit, doom, reserve
from tests.model_store.material import AT, MODEL, entry, long_catalog, make_folder, publish
from tests.model_store.memory_backend import MemoryBackend

SMALL = Bounds(
    newest_versions=2, kept_versions=4, versions_a_page=3, kept_events=2, events_a_page=3
)
FLAT = Bounds(kept_versions=10**9, kept_events=10**9)
AT_ONCE = timedelta(seconds=-5)


def put(backend: Backend, catalog: Catalog, bounds: Bounds | None = None) -> Catalog:
    """Write the catalog as a shelf would that had grown to it."""
    return Ledger("test://shelf", backend, bounds=bounds).change(MODEL, lambda _: catalog)


def page_keys(backend: Backend) -> set[str]:
    return {key.key for key in backend.list(MODEL) if parse_page(key.key.split("/")[1])}


class Shelf:
    """One catalog and what can be done to it; the clock ticks with every deed."""

    def __init__(self, bounds: Bounds) -> None:
        self.backend = MemoryBackend()
        self.ledger = Ledger("test://shelf", self.backend, bounds=bounds)
        self.clock = now()
        self.labels = Labels(self.ledger, who=lambda: "anna@desk", now=self.tick)

    def tick(self) -> datetime:
        self.clock += timedelta(seconds=1)
        return self.clock

    def publish(self, token: str) -> None:
        self.ledger.change(MODEL, lambda catalog: reserve(catalog, token=token, at=AT, by="a"))
        version = self.ledger.read(MODEL).next_version - 1
        self.ledger.change(MODEL, lambda catalog: commit(catalog, entry(version), token=token))

    def delete(self, version: int) -> None:
        self.tick()
        at = self.clock.isoformat()
        self.ledger.change(MODEL, lambda catalog: doom(catalog, version, at=at, by="a"))

    def change(self, transition: Callable[..., Catalog], **named: object) -> None:
        at = self.tick().isoformat()
        self.ledger.change(MODEL, lambda catalog: transition(catalog, **named, at=at, by="a"))

    def gc(self) -> None:
        Collector(self.backend, self.ledger, now=now).collect(
            MODEL, older_than=AT_ONCE, dry_run=False
        )


def told(action: Callable[[], object]) -> str:
    try:
        action()
    except StoreError as error:
        return f"{type(error).__name__}: {error}"
    return ""


Deed = Callable[[Shelf], object]
labels = st.sampled_from(["production", "canary"])
versions = st.integers(1, 25)


def move(label: str, version: int) -> Deed:
    return lambda shelf: shelf.labels.move(MODEL, label, version, seen=None)


def unlabel(label: str) -> Deed:
    return lambda shelf: shelf.labels.move(MODEL, label, None, seen=None)


def roll_back(label: str) -> Deed:
    return lambda shelf: shelf.labels.roll_back(MODEL, label, seen=None)


def delete(version: int) -> Deed:
    return lambda shelf: shelf.delete(version)


def weigh_alone(version: int) -> Deed:
    def deed(shelf: Shelf) -> None:
        shelf.change(weigh, weights={version: 1}, seen=shelf.ledger.read(MODEL).weights)

    return deed


def load_by_hand(version: int) -> Deed:
    return lambda shelf: shelf.change(load, version=version)


def unload_by_hand(version: int) -> Deed:
    return lambda shelf: shelf.change(unload, version=version)


def publish_some(number: int) -> Deed:
    def deed(shelf: Shelf) -> None:
        for _ in range(number):
            shelf.publish(shelf.tick().isoformat())

    return deed


deeds = st.one_of(
    st.builds(publish_some, st.integers(1, 6)),
    st.builds(move, labels, versions),
    st.builds(unlabel, labels),
    st.builds(roll_back, labels),
    st.builds(delete, versions),
    st.builds(weigh_alone, versions),
    st.builds(load_by_hand, versions),
    st.builds(unload_by_hand, versions),
    st.just(Shelf.gc),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(deeds, max_size=25))
def test_head_and_pages_together_are_the_flat_catalog_whatever_is_done(done: list[Deed]) -> None:
    paged, flat = Shelf(SMALL), Shelf(FLAT)
    flat.clock = paged.clock
    for deed in [publish_some(9), *done]:
        assert told(lambda: deed(paged)) == told(lambda: deed(flat))  # noqa: B023
        head, expected = paged.ledger.read(MODEL), flat.ledger.read(MODEL)
        whole = paged.ledger.whole(head)
        assert replace(whole, etag=None, sweeps=0) == replace(expected, etag=None)
        assert head.latest == expected.latest
        assert head.versions[-2:] == expected.versions[-2:]
        assert set(head.labels.values()) <= {each.version for each in head.versions}
        assert head.numbers == tuple(each.version for each in expected.versions)
        assert head.event_count == len(expected.history)
        assert len(head.history) < 5
        assert [paged.ledger.entry(MODEL, each.version) for each in expected.versions] == list(
            expected.versions
        )


@pytest.mark.parametrize("events", [0, 10_000])
def test_ten_thousand_versions_make_a_catalog_of_a_hundred_kilobytes(events: int) -> None:
    backend = MemoryBackend()
    catalog = put(backend, long_catalog(10_000, events))
    assert len(backend.blobs[f"{MODEL}/catalog.json"].data) <= 100_000
    assert len(catalog.numbers) == 10_000
    assert catalog.event_count == events


def test_a_shelf_of_four_hundred_versions_never_sees_a_page() -> None:
    backend = MemoryBackend()
    put(backend, long_catalog(499, 199))
    assert page_keys(backend) == set()
    assert b'"format":1' in backend.blobs[f"{MODEL}/catalog.json"].data


def test_a_catalog_written_before_there_were_pages_still_reads() -> None:
    flat = long_catalog(10_000, 300)
    assert decode_catalog(encode_catalog(flat), model=MODEL, etag=None, where="here") == flat


def test_an_old_version_costs_one_page_and_a_new_one_none() -> None:
    backend = MemoryBackend()
    put(backend, long_catalog(10_000))
    ledger = Ledger("test://shelf", backend)
    backend.reads.clear()
    assert ledger.entry(MODEL, 9_999) == entry(9_999)
    assert len(backend.reads) == 1
    assert ledger.entry(MODEL, 50) == entry(50)
    assert len(backend.reads) == 3
    with pytest.raises(NotFound, match=r"no version 10001; it has 9991, .* and 9990 older ones"):
        ledger.entry(MODEL, 10_001)


def test_a_crash_between_page_and_swap_leaves_an_orphan_that_gc_removes(
    backend: Backend,
) -> None:
    before = put(backend, long_catalog(499))

    class DyingBackend:
        """Stages as the real one does and dies at the swap that follows."""

        stage, read = backend.stage, backend.read

        def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
            raise KeyboardInterrupt

    grown = replace(before, versions=(*before.versions, entry(500)), next_version=501)
    with pytest.raises(KeyboardInterrupt):
        put(DyingBackend(), grown)  # type: ignore[arg-type]
    [orphan] = page_keys(backend)
    ledger = Ledger("test://shelf", backend)
    assert ledger.read(MODEL) == before
    put(backend, grown)
    named = page_keys(backend) - {orphan}
    assert len(named) == 1
    garbage = Collector(backend, ledger, now=now).collect(MODEL, older_than=AT_ONCE, dry_run=False)
    assert [f"{each.prefix}/page.json" for each in garbage.orphans] == [orphan]
    assert page_keys(backend) == named
    assert ledger.entry(MODEL, 1) == entry(1)


def test_a_change_that_was_on_its_way_while_gc_ran_never_names_a_removed_page() -> None:
    backend = MemoryBackend()
    before = put(backend, replace(long_catalog(499), next_version=501))
    collector = Collector(backend, Ledger("test://shelf", backend), now=now)
    swaps: list[str] = []

    class SlowBackend:
        """Between the page and the swap of the first attempt, gc takes the page."""

        stage, read = backend.stage, backend.read

        def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
            if not swaps:
                collector.collect(MODEL, older_than=AT_ONCE, dry_run=False)
                assert page_keys(backend) == set()
            swaps.append(key)
            return backend.swap(key, data, expected=expected)

    def grow(catalog: Catalog) -> Catalog:
        return replace(catalog, versions=(*before.versions, entry(500)))

    ledger = Ledger("test://shelf", SlowBackend())  # type: ignore[arg-type]
    ledger.change(MODEL, grow)
    assert len(swaps) == 2
    assert ledger.entry(MODEL, 1) == entry(1)


def test_gc_keeps_the_pages_of_a_catalog_that_is_newer_than_the_restored_one() -> None:
    backend = MemoryBackend()
    key = f"{MODEL}/catalog.json"
    old = encode_catalog(put(backend, long_catalog(499)))
    put(backend, long_catalog(1_200, 300))
    newer, pages = backend.blobs[key].data, page_keys(backend)
    backend.put(key, old)
    ledger = Ledger("test://shelf", backend)
    Collector(backend, ledger, now=now).collect(MODEL, older_than=AT_ONCE, dry_run=False)
    backend.put(key, newer)
    assert page_keys(backend) == pages
    assert ledger.whole(ledger.read(MODEL)).versions == long_catalog(1_200).versions


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"anna", b"bert", 1),
        lambda data: b"",
        lambda _data: None,
    ],
)
def test_a_damaged_page_is_corrupt_and_the_newest_versions_do_not_mind(
    spoil: Callable[[bytes], bytes | None],
) -> None:
    backend = MemoryBackend()
    put(backend, long_catalog(1_000))
    for key in page_keys(backend):
        spoiled = spoil(backend.blobs[key].data)
        if spoiled is None:
            del backend.blobs[key]
        else:
            backend.put(key, spoiled)
    ledger = Ledger("test://shelf", backend)
    assert ledger.entry(MODEL, 999) == entry(999)
    with pytest.raises(Corrupt, match=r"page\.json .*restore it from a copy"):
        ledger.entry(MODEL, 50)
    with pytest.raises(Corrupt):
        ledger.whole(ledger.read(MODEL))


def test_an_archived_version_can_be_labelled_pulled_and_deleted(
    backend: Backend, tmp_path: Path
) -> None:
    store = ModelStore("test://shelf", backend, bounds=SMALL)
    folder = make_folder(tmp_path / "offered")
    for _ in range(8):
        publish(store, folder)
    assert [each.version for each in store.catalog(MODEL).versions] == [4, 5, 6, 7, 8]
    assert store.pull(MODEL, 1, tmp_path / "one").is_dir()
    catalog = store.label(MODEL, "production", 2)
    assert catalog.find(2) == store.entry(MODEL, 2)
    catalog = store.delete(MODEL, 3)
    assert catalog.numbers == (1, 2, 4, 5, 6, 7, 8)
    with pytest.raises(NotFound, match="no version 3"):
        store.pull(MODEL, 3, tmp_path / "three")
    store.gc(MODEL, older_than=AT_ONCE)
    whole = store.whole_catalog(MODEL)
    assert [store.verify(MODEL, each.version) for each in whole.versions] == [()] * 7


def test_a_cached_archived_version_is_fetched_without_the_store(tmp_path: Path) -> None:
    backend = MemoryBackend()
    store = ModelStore("test://shelf", backend, bounds=SMALL)
    folder = make_folder(tmp_path / "offered")
    for _ in range(8):
        publish(store, folder)
    cache = VersionCache(tmp_path / "cache")
    cache.remember(store.url, store.catalog(MODEL))
    place = cache.fetch(store, MODEL, 1)
    backend.reads.clear()
    assert cache.fetch(store, MODEL, 1) == place
    assert backend.reads == []


def test_the_versions_of_a_lost_page_are_damage_that_verify_tells_of() -> None:
    backend = MemoryBackend()
    put(backend, long_catalog(1_000))
    for key in page_keys(backend):
        del backend.blobs[key]
    store = ModelStore("test://shelf", backend)
    [damage] = store.verify(MODEL, 1)
    assert damage.file == "catalog.json"
    assert "restore it from a copy" in damage.reason
    [damage] = store.verify(MODEL, 999)
    assert damage.file == "manifest.json"
