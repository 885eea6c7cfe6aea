"""The store is followed whatever loading takes and whatever goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_store import Catalog, ModelStore, VersionCache
from service.engine.fact_sheet import FactSheet
from service.engine.follower import Follower
from service.engine.manager import VersionManager
from service.engine.session import BadModel, Session
from service.engine.source import StoreSource
from service.settings import Serve
from tests.eventually import eventually
from tests.model_store.material import MODEL, make_folder, publish
from tests.model_store.memory_backend import MemoryBackend
from tests.service.fakes import FakeSession

# Longer than any test: only what asks for a look brings one.
NEVER_S = 3600.0
SOON_S = 10.0


class Loader:
    """Loads fake sessions; loading version 3 takes until `go_on` is set."""

    def __init__(self) -> None:
        self.loading = threading.Event()
        self.go_on = threading.Event()
        self.broken = False

    def estimate_bytes(self, version: int) -> int:
        return 1

    def load(self, version: int) -> Session:
        if version == 3:
            self.loading.set()
            assert self.go_on.wait(SOON_S)
        if self.broken:
            raise BadModel("broken")
        return FakeSession(version)


class Moody(ModelStore):
    """A store with a surprise for who reads the catalog while `surprise` is set."""

    surprise = False

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        if self.surprise:
            raise ZeroDivisionError
        return super().catalog(model, known=known)


@pytest.fixture
def store(tmp_path: Path) -> Moody:
    """A shelf with the versions 1 and 2, the first of them in production."""
    made = Moody("test://shelf", MemoryBackend())
    for _ in range(2):
        publish(made, make_folder(tmp_path / str(made.catalog(MODEL).next_version)))
    made.label(MODEL, "production", 1)
    return made


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def manager(loader: Loader) -> VersionManager:
    return VersionManager(loader, budget_bytes=10**12)


@pytest.fixture
def follower(store: Moody, manager: VersionManager, tmp_path: Path) -> Iterator[Follower]:
    cache = VersionCache(tmp_path / "cache")
    source = StoreSource(store, cache, MODEL, Serve(label="production"))
    made = Follower(source, manager, FactSheet(source.manifest), NEVER_S)
    made.start()
    yield made
    made.stop()


def wait_for(manager: VersionManager, version: int) -> None:
    eventually(
        lambda: manager.default == version, within_s=SOON_S, what=f"version {version} answers"
    )


def test_a_label_goes_back_while_another_version_is_loading(
    store: Moody, manager: VersionManager, follower: Follower, loader: Loader, tmp_path: Path
) -> None:
    wait_for(manager, 1)
    store.label(MODEL, "production", 2)
    follower.look_now()
    wait_for(manager, 2)
    publish(store, make_folder(tmp_path / "3"))
    store.label(MODEL, "production", 3)
    follower.look_now()
    assert loader.loading.wait(SOON_S)
    store.label(MODEL, "production", 1)
    follower.look_now()
    wait_for(manager, 1)
    assert not loader.go_on.is_set()
    loader.go_on.set()


def test_a_surprise_does_not_end_the_following(
    store: Moody,
    manager: VersionManager,
    follower: Follower,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wait_for(manager, 1)
    store.surprise = True
    follower.look_now()
    eventually(
        lambda: "following the store failed" in caplog.text, within_s=SOON_S, what="it is logged"
    )
    store.surprise = False
    store.label(MODEL, "production", 2)
    follower.look_now()
    wait_for(manager, 2)
    assert manager.default == 2


def test_a_look_that_is_waited_for_has_seen_what_was_there_before(
    store: Moody, manager: VersionManager, follower: Follower, loader: Loader, tmp_path: Path
) -> None:
    wait_for(manager, 1)
    publish(store, make_folder(tmp_path / "3"))
    store.label(MODEL, "production", 3)
    follower.look_now(within_s=SOON_S)
    assert 3 in [each.version for each in manager.status()]
    loader.go_on.set()


def test_what_failed_is_tried_again_when_told_to(
    store: Moody, manager: VersionManager, follower: Follower, loader: Loader
) -> None:
    wait_for(manager, 1)
    loader.broken = True
    store.label(MODEL, "production", 2)
    follower.look_now()
    eventually(
        lambda: "broken" in manager.status()[-1].error, within_s=SOON_S, what="version 2 failed"
    )
    loader.broken = False
    follower.retry_now()
    wait_for(manager, 2)
    assert manager.status()[-1].error == ""
