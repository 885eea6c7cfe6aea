"""Changes reach the catalog, whoever asks for them is in its history, and failures say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store import Catalog, ModelStore, Unreachable
from service.changes import (
    LoadVersion,
    MoveLabel,
    Reload,
    RollBack,
    ShareOut,
    UnloadVersion,
)
from service.engine.administration import Administration
from service.errors import ChangeConflict, InvalidRequest, NotOnShelf, StoreUnavailable
from service.settings import Serve
from tests.model_store.material import make_folder, publish
from tests.model_store.memory_backend import MemoryBackend

MODEL = "resnet50"


class Following:
    """Counts what a follower is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def look_now(self, *, within_s: float) -> None:
        assert within_s > 0
        self.asked.append("look")

    def retry_now(self, *, within_s: float) -> None:
        assert within_s > 0
        self.asked.append("retry")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A shelf with the versions 1 to 3."""
    made = ModelStore("test://shelf", MemoryBackend(), who=lambda: "bert@desk")
    folder = make_folder(tmp_path / "offered")
    for _ in range(3):
        publish(made, folder)
    return made


@pytest.fixture
def following() -> Following:
    return Following()


@pytest.fixture
def administration(store: ModelStore, following: Following) -> Administration:
    return Administration(store, MODEL, Serve(latest=2), following)


def test_a_change_is_in_the_catalog_with_the_name_of_who_asked_and_followed_at_once(
    administration: Administration, store: ModelStore, following: Following
) -> None:
    administration.carry_out(MoveLabel("production", 1), "alice")
    administration.carry_out(MoveLabel("production", 2, 1), "alice")
    administration.carry_out(ShareOut({2: 9, 3: 1}), "alice")
    administration.carry_out(LoadVersion(1), "alice")
    state = administration.carry_out(RollBack("production"), "clara")
    catalog = store.catalog(MODEL)
    assert state.labels == catalog.labels == {"production": 1}
    assert state.weights == catalog.weights == {2: 9, 3: 1}
    assert state.loaded == catalog.loaded == (1,)
    assert [(each.by.partition("@")[0], each.action) for each in state.history] == [
        ("alice", "label"),
        ("alice", "label"),
        ("alice", "weights"),
        ("alice", "load"),
        ("clara", "rollback"),
    ]
    # What is loaded by hand may have failed before.
    assert following.asked == ["look", "look", "look", "retry", "look"]


def test_a_label_is_removed_and_a_version_unloaded(
    administration: Administration, store: ModelStore
) -> None:
    administration.carry_out(MoveLabel("canary", 3), "alice")
    administration.carry_out(MoveLabel("canary", None), "alice")
    administration.carry_out(UnloadVersion(3), "alice")
    catalog = store.catalog(MODEL)
    assert (catalog.labels, catalog.unloaded) == ({}, (3,))


def test_a_move_that_expects_something_else_is_told_who_moved_the_label(
    administration: Administration, store: ModelStore
) -> None:
    store.label(MODEL, "production", 2)
    with pytest.raises(ChangeConflict, match="points at version 2 now: bert@desk moved it"):
        administration.carry_out(MoveLabel("production", 3, 1), "alice")
    with pytest.raises(ChangeConflict, match="bert@desk moved it"):
        administration.carry_out(MoveLabel("production", 3, None), "alice")
    assert store.catalog(MODEL).labels == {"production": 2}


def test_reload_changes_nothing_and_tries_again_what_failed(
    administration: Administration, store: ModelStore, following: Following
) -> None:
    before = store.catalog(MODEL)
    administration.carry_out(Reload(), "alice")
    assert store.catalog(MODEL) == before
    assert following.asked[0] == "retry"


def test_asking_changes_nothing(administration: Administration, following: Following) -> None:
    assert administration.carry_out(None, "alice").labels == {}
    assert following.asked == []


def test_what_is_not_on_the_shelf_or_makes_no_sense_is_refused(
    administration: Administration,
) -> None:
    with pytest.raises(NotOnShelf, match="no version 9; it has 1, 2, 3"):
        administration.carry_out(MoveLabel("production", 9), "alice")
    with pytest.raises(NotOnShelf, match="no label canary"):
        administration.carry_out(MoveLabel("canary", None), "alice")
    with pytest.raises(InvalidRequest, match="weight 0"):
        administration.carry_out(ShareOut({1: 0}), "alice")
    with pytest.raises(InvalidRequest, match="label '7'"):
        administration.carry_out(MoveLabel("7", 1), "alice")
    with pytest.raises(NotOnShelf, match="no label production"):
        administration.carry_out(RollBack("production"), "alice")
    administration.carry_out(MoveLabel("production", 3), "alice")
    with pytest.raises(ChangeConflict, match="production pointed at nothing"):
        administration.carry_out(RollBack("production"), "alice")


def test_a_labelled_version_is_not_unloaded(administration: Administration) -> None:
    administration.carry_out(MoveLabel("production", 3), "alice")
    with pytest.raises(ChangeConflict, match="labelled production"):
        administration.carry_out(UnloadVersion(3), "alice")


def test_a_pinned_service_says_why_it_loads_nothing(
    store: ModelStore, following: Following
) -> None:
    pinned = Administration(store, MODEL, Serve(versions=(1,)), following)
    for change in (LoadVersion(2), UnloadVersion(1)):
        with pytest.raises(ChangeConflict, match="HOTSHELF_SERVE=versions:1"):
            pinned.carry_out(change, "alice")


class Away(ModelStore):
    """A store that doesn't answer."""

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        raise Unreachable("the store doesn't answer")


def test_a_store_that_is_away_is_a_passing_trouble(following: Following) -> None:
    administration = Administration(
        Away("test://shelf", MemoryBackend()), MODEL, Serve(latest=1), following
    )
    with pytest.raises(StoreUnavailable, match="nothing was changed: the store doesn't answer"):
        administration.carry_out(MoveLabel("production", 1), "alice")
    assert following.asked == []
