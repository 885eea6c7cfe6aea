"""Labels, rollback, deletion: on both backends, by one operator and by two."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from model_store import Catalog, Conflict, InvalidName, ModelStore, NotFound
from model_store.backends.base import Backend
from model_store.ledger import Ledger
from tests.model_store.material import MODEL, make_folder, publish


@pytest.fixture
def anna(backend: Backend) -> ModelStore:
    return ModelStore("test://shelf", backend, who=lambda: "anna@desk")


@pytest.fixture
def bert(backend: Backend) -> ModelStore:
    return ModelStore("test://shelf", backend, who=lambda: "bert@desk")


@pytest.fixture
def published(anna: ModelStore, tmp_path: Path) -> ModelStore:
    """Versions 1, 2 and 3, none of them labelled."""
    folder = make_folder(tmp_path / "offered")
    for _ in range(3):
        publish(anna, folder)
    return anna


def moves(catalog: Catalog) -> list[tuple[str, str, str | None, int | None, int | None]]:
    return [
        (event.by.partition("@")[0], event.action, event.label, event.before, event.after)
        for event in catalog.history
    ]


def test_a_label_points_where_it_was_put_and_history_says_who(published: ModelStore) -> None:
    published.label(MODEL, "production", 1)
    catalog = published.label(MODEL, "production", 3)
    assert catalog.labels == {"production": 3}
    assert catalog.labels_of(3) == ("production",)
    assert moves(catalog) == [
        ("anna", "label", "production", None, 1),
        ("anna", "label", "production", 1, 3),
    ]
    assert published.catalog(MODEL) == catalog


def test_a_label_that_points_there_already_changes_nothing(published: ModelStore) -> None:
    before = published.label(MODEL, "production", 1)
    assert published.label(MODEL, "production", 1) == before


def test_a_label_cannot_point_at_nothing(published: ModelStore) -> None:
    with pytest.raises(NotFound, match="no version 9; it has 1, 2, 3"):
        published.label(MODEL, "production", 9)
    with pytest.raises(NotFound, match="no label canary; it has no label at all"):
        published.unlabel(MODEL, "canary")


@pytest.mark.parametrize("label", ["", "7", "a b", "../x", "x" * 65, "é"])
def test_an_odd_label_is_refused(published: ModelStore, label: str) -> None:
    with pytest.raises(InvalidName, match="label "):
        published.label(MODEL, label, 1)


@pytest.mark.parametrize("label", ["latest", "none"])
def test_a_reserved_word_is_no_label_but_one_of_an_old_catalog_can_be_removed(
    published: ModelStore, backend: Backend, label: str
) -> None:
    with pytest.raises(InvalidName, match=f"label '{label}' is reserved: it means"):
        published.label(MODEL, label, 1)
    with pytest.raises(InvalidName, match=f"label '{label}' is reserved: it means"):
        published.rollback(MODEL, label)
    Ledger("test://shelf", backend).change(
        MODEL, lambda catalog: replace(catalog, labels={label: 2})
    )
    assert published.unlabel(MODEL, label).labels == {}
    with pytest.raises(NotFound, match=f"no label {label}"):
        published.unlabel(MODEL, label)


def test_rollback_of_a_label_that_never_was_lists_those_that_are(published: ModelStore) -> None:
    with pytest.raises(NotFound, match="no label nosuch; it has no label at all"):
        published.rollback(MODEL, "nosuch")
    published.label(MODEL, "production", 1)
    with pytest.raises(NotFound, match="no label nosuch; it has production"):
        published.rollback(MODEL, "nosuch")


def test_a_rollback_that_lost_no_race_is_not_recorded(published: ModelStore) -> None:
    before = published.label(MODEL, "production", 1)
    with pytest.raises(Conflict, match="pointed at nothing"):
        published.rollback(MODEL, "production")
    assert published.catalog(MODEL) == before


def test_rollback_goes_back_move_by_move(published: ModelStore) -> None:
    for version in (1, 2, 3):
        published.label(MODEL, "production", version)
    assert published.rollback(MODEL, "production").labels == {"production": 2}
    assert published.rollback(MODEL, "production").labels == {"production": 1}
    with pytest.raises(Conflict, match="before its last move production pointed at nothing"):
        published.rollback(MODEL, "production")


def test_rollback_after_a_new_move_undoes_that_move(published: ModelStore) -> None:
    published.label(MODEL, "production", 1)
    published.label(MODEL, "production", 2)
    published.rollback(MODEL, "production")
    published.label(MODEL, "production", 3)
    assert published.rollback(MODEL, "production").labels == {"production": 1}


def test_rollback_brings_a_removed_label_back(published: ModelStore) -> None:
    published.label(MODEL, "production", 2)
    published.unlabel(MODEL, "production")
    catalog = published.rollback(MODEL, "production")
    assert catalog.labels == {"production": 2}
    assert catalog.history[-1].action == "rollback"


def test_rollback_to_a_deleted_version_is_refused(published: ModelStore) -> None:
    published.label(MODEL, "production", 1)
    published.label(MODEL, "production", 2)
    published.delete(MODEL, 1)
    with pytest.raises(Conflict, match="pointed at version 1, which was deleted"):
        published.rollback(MODEL, "production")


def test_of_two_operators_the_second_is_told_who_was_first(
    published: ModelStore, bert: ModelStore
) -> None:
    published.label(MODEL, "production", 1)
    seen = bert.catalog(MODEL)
    published.label(MODEL, "production", 2)
    with pytest.raises(Conflict, match=r"points at version 2 now: anna@desk moved it at 20"):
        bert.label(MODEL, "production", 3, seen=seen)
    assert moves(bert.catalog(MODEL))[1:] == [
        ("anna", "label", "production", 1, 2),
        ("bert", "refused", "production", 1, 3),
    ]
    with pytest.raises(Conflict, match="anna@desk moved it"):
        bert.rollback(MODEL, "production", seen=seen)
    assert moves(bert.catalog(MODEL))[3:] == [("bert", "refused", "production", 1, None)]


def test_of_two_simultaneous_moves_one_wins_and_history_has_both(
    published: ModelStore, bert: ModelStore
) -> None:
    published.label(MODEL, "production", 1)
    seen = published.catalog(MODEL)

    def move(who: ModelStore, version: int) -> str | None:
        try:
            who.label(MODEL, "production", version, seen=seen)
        except Conflict as error:
            return str(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        attempts = [pool.submit(move, published, 2), pool.submit(move, bert, 3)]
        told = [attempt.result() for attempt in attempts]
    winner, loser = ("anna", "bert") if told[0] is None else ("bert", "anna")
    [message] = [text for text in told if text is not None]
    assert f"{winner}@desk moved it" in message
    catalog = published.catalog(MODEL)
    assert catalog.labels == {"production": 2 if winner == "anna" else 3}
    assert [(event.by.partition("@")[0], event.action) for event in catalog.history[1:]] == [
        (winner, "label"),
        (loser, "refused"),
    ]


def test_other_changes_to_the_catalog_do_not_disturb_a_move(
    published: ModelStore, bert: ModelStore, tmp_path: Path
) -> None:
    seen = bert.catalog(MODEL)
    published.label(MODEL, "canary", 2)
    publish(published, tmp_path / "offered")
    assert bert.label(MODEL, "production", 3, seen=seen).labels == {"canary": 2, "production": 3}


def test_a_labelled_version_is_not_deleted(published: ModelStore) -> None:
    published.label(MODEL, "production", 2)
    with pytest.raises(Conflict, match="resnet50 2 is labelled production; move or remove"):
        published.delete(MODEL, 2)
    assert published.verify(MODEL, 2) == ()


def test_a_deleted_version_is_gone_and_its_number_is_never_used_again(
    published: ModelStore, backend: Backend, tmp_path: Path
) -> None:
    catalog = published.delete(MODEL, 3)
    assert [entry.version for entry in catalog.versions] == [1, 2]
    assert catalog.doomed == ()
    assert catalog.history[-1].action == "delete"
    assert not [each for each in backend.list(MODEL) if each.key.startswith(f"{MODEL}/3/")]
    with pytest.raises(NotFound):
        published.delete(MODEL, 3)
    assert publish(published, tmp_path / "offered").version == 4
