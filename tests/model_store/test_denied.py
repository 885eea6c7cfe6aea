"""What the operating system refuses is told of in one line, to people and to services."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from model_store import Denied, InvalidName, ModelStore, VersionCache, open_store
from model_store.backends.local import LocalBackend
from model_store.conversion import check_convertible
from service.engine.source import StoreSource
from service.settings import Serve
from tests.model_store.command_line import runner
from tests.model_store.material import MODEL, make_folder, publish

NOBODY = 65_534
TOO_LONG = "a" * 300


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody can look into, which pytest's own aren't."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def store(place: Path) -> ModelStore:
    """Version 1."""
    opened = open_store(f"file://{place}/shelf")
    publish(opened, make_folder(place / "offered"))
    return opened


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Let nobody look into the folder, this process neither where it is root's."""
    mode, user = folder.stat().st_mode, os.geteuid()
    folder.chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


@pytest.mark.parametrize("name", ["shelf", f"shelf/{MODEL}", f"shelf/{MODEL}/1"])
def test_a_shelf_that_may_not_be_read_is_denied_in_one_line(
    store: ModelStore, place: Path, name: str
) -> None:
    run = runner(store.url)
    with closed(place / name):
        for command in (["show", 1], ["verify", 1], ["pull", 1, place / "p"]):
            answer = run(*command)
            assert (answer.code, answer.out) == (7, "")
            assert answer.err.startswith("error: ")
            assert answer.err.endswith(
                "permission denied; check the owner and mode of the folder\n"
            )
        with pytest.raises(Denied):
            store.pull(MODEL, 1, place / "p")


def test_a_shelf_that_may_not_be_read_is_not_writable(store: ModelStore, place: Path) -> None:
    with closed(place / "shelf"), pytest.raises(Denied, match="permission denied"):
        store.check_writable(MODEL)


def test_a_service_goes_on_with_its_cache_when_the_shelf_is_closed_to_it(
    store: ModelStore, place: Path
) -> None:
    cache = VersionCache(place / "cache")
    assert StoreSource(store, cache, MODEL, Serve(latest=1)).poll().versions == {1}
    restarted = StoreSource(store, cache, MODEL, Serve(latest=1))
    with closed(place / "shelf"):
        assert restarted.poll().versions == {1}
        assert "permission denied" in restarted.problem


def test_a_cached_version_that_may_not_be_read_is_denied(store: ModelStore, place: Path) -> None:
    cache = VersionCache(place / "cache")
    fetched = cache.fetch(store, MODEL, 1)
    with closed(fetched), pytest.raises(Denied, match="permission denied"):
        cache.fetch(store, MODEL, 1)


@pytest.mark.parametrize("name", ["", "somebodys"])
def test_gc_tells_of_a_folder_that_it_cannot_look_into(
    store: ModelStore, place: Path, name: str
) -> None:
    stage = place / "shelf" / MODEL / "_stage-9-0a1b2c3d4e5f" / name
    stage.mkdir(parents=True)
    with closed(stage), pytest.raises(Denied, match=rf"listing .*/_stage-9.*{name}: permission"):
        store.gc(MODEL, older_than=timedelta(seconds=-5), dry_run=True)


def test_a_path_longer_than_the_file_system_allows_is_told_of_in_one_line(place: Path) -> None:
    answer = runner(f"file://{place}/{TOO_LONG}")("list")
    assert answer.code == 2
    assert answer.err.endswith("the path is longer than the file system allows\n")
    assert answer.err.count("\n") == 1
    with pytest.raises(InvalidName, match="longer than the file system allows"):
        LocalBackend(place / TOO_LONG).probe(MODEL)


def test_a_folder_to_publish_or_convert_that_may_not_be_read_is_denied(
    store: ModelStore, place: Path
) -> None:
    inside = place / "private" / "model"
    inside.mkdir(parents=True)
    with closed(place / "private"):
        with pytest.raises(Denied, match="permission denied"):
            check_convertible(inside)
        with pytest.raises(Denied, match="permission denied"):
            publish(store, inside)
    with pytest.raises(InvalidName, match="longer than the file system allows"):
        check_convertible(place / TOO_LONG)


def test_a_place_to_pull_to_that_may_not_be_read_is_denied(store: ModelStore, place: Path) -> None:
    (place / "private").mkdir()
    with closed(place / "private"), pytest.raises(Denied, match="permission denied"):
        store.pull(MODEL, 1, place / "private" / "p")
