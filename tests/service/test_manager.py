from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from service.engine.manager import FIRST_RETRY_S, Snapshot, VersionManager
from service.engine.session import BadModel, Session
from service.engine.wanted import Wanted
from service.errors import NotReady, VersionNotFound
from service.reference import DEFAULT, VersionRef
from tests.service.fakes import CLASSES, FakeSession

MB = 1_000_000


class Loader:
    """Loads fake sessions; versions in `broken` fail, `meanwhile` happens during each load.

    Each takes 100 MB, unless `takes` says more, whatever its estimate.
    """

    def __init__(self) -> None:
        self.broken: set[int] = set()
        self.loads: list[int] = []
        self.takes: dict[int, int] = {}
        self.estimates: dict[int, int] = {}
        self.meanwhile: Callable[[int], None] = lambda version: None
        self.sessions: list[FakeSession] = []

    def estimate_bytes(self, version: int) -> int:
        return self.estimates.get(version, 90) * MB

    def load(self, version: int) -> Session:
        self.loads.append(version)
        self.meanwhile(version)
        if version in self.broken:
            raise BadModel(f"version {version} is broken")
        self.sessions.append(FakeSession(version))
        return self.sessions[-1]

    def resident_bytes(self) -> int:
        return sum(
            self.takes.get(each.version, 100) * MB for each in self.sessions if not each.closed
        )


def serving(*versions: int, **more: Any) -> Wanted:
    """Want these versions, the newest of them by default."""
    return Wanted(frozenset(versions), **{"default": max(versions), **more})


def apply(manager: VersionManager, wanted: Wanted) -> None:
    manager.want(wanted)
    manager.settle()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def load() -> Loader:
    return Loader()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(load: Loader, clock: Clock) -> VersionManager:
    return VersionManager(load, clock=clock)


@pytest.fixture
def frugal(load: Loader, clock: Clock) -> VersionManager:
    """A manager with 350 MB."""
    return VersionManager(
        load, budget_bytes=350 * MB, clock=clock, resident_bytes=load.resident_bytes
    )


def test_nothing_can_be_leased_before_a_version_is_loaded(manager: VersionManager) -> None:
    with pytest.raises(NotReady):
        manager.lease(DEFAULT)


def test_requests_without_a_version_get_the_newest(manager: VersionManager) -> None:
    apply(manager, serving(1, 2))
    lease = manager.lease(DEFAULT)
    assert lease.version == 2
    lease.release()


def test_a_loaded_version_can_be_asked_for_by_number(manager: VersionManager) -> None:
    apply(manager, serving(1, 2))
    assert manager.lease(VersionRef(1)).version == 1


def test_a_version_that_is_not_served_is_refused_naming_those_that_are(
    manager: VersionManager,
) -> None:
    apply(manager, serving(1, 2))
    with pytest.raises(VersionNotFound, match=r"version 7 isn't being served; available: 1, 2"):
        manager.lease(VersionRef(7))


def test_a_version_that_is_still_loading_is_to_be_asked_for_again(
    manager: VersionManager, load: Loader
) -> None:
    seen: list[Exception] = []

    def ask(version: int) -> None:
        if version == 2:
            with pytest.raises(NotReady, match="version 2 is LOADING; available: 1") as caught:
                manager.lease(VersionRef(2))
            seen.append(caught.value)
            with pytest.raises(NotReady, match="version 2 is LOADING"):
                manager.classes(2)

    load.meanwhile = ask
    apply(manager, serving(1))
    apply(manager, serving(1, 2))
    assert len(seen) == 1


def test_a_broken_version_leaves_the_old_one_serving_and_says_why(
    manager: VersionManager, load: Loader
) -> None:
    apply(manager, serving(1))
    load.broken = {2}
    apply(manager, serving(2))
    assert manager.default == 1
    old, new = manager.status()
    assert (old.state, new.state) == ("AVAILABLE", "END")
    assert (new.error, old.variant, new.variant) == ("version 2 is broken", "model.onnx", "")


def test_a_broken_version_is_retried_with_growing_pauses(
    manager: VersionManager, load: Loader, clock: Clock
) -> None:
    load.broken = {1}
    apply(manager, serving(1))
    apply(manager, serving(1))
    assert load.loads == [1], "not again at once"
    clock.now += FIRST_RETRY_S
    apply(manager, serving(1))
    assert load.loads == [1, 1]
    clock.now += FIRST_RETRY_S
    apply(manager, serving(1))
    assert load.loads == [1, 1], "the second pause is longer"
    load.broken = set()
    clock.now += FIRST_RETRY_S
    apply(manager, serving(1))
    assert manager.default == 1
    assert manager.status()[0].error == ""


def test_a_version_is_unloaded_only_after_its_last_lease_came_back(
    manager: VersionManager,
) -> None:
    apply(manager, serving(1))
    lease = manager.lease(DEFAULT)
    swap = threading.Thread(target=apply, args=(manager, serving(2)))
    swap.start()
    swap.join(0.2)
    assert swap.is_alive(), "the swap waits for the lease"
    old = lease.session
    assert isinstance(old, FakeSession)
    assert old.closed == 0
    second = manager.lease(DEFAULT)
    assert second.version == 2, "new requests go to the new version meanwhile"
    second.release()
    lease.release()
    swap.join(5)
    assert not swap.is_alive()
    assert old.closed == 1
    assert [each.version for each in manager.status()] == [2]


def test_class_names_can_still_be_asked_for_after_the_version_left(
    manager: VersionManager,
) -> None:
    apply(manager, serving(1))
    apply(manager, serving(2))
    assert manager.classes(1) == CLASSES
    with pytest.raises(VersionNotFound):
        manager.classes(9)


def test_going_back_to_an_older_version_makes_it_the_default(manager: VersionManager) -> None:
    apply(manager, serving(2))
    apply(manager, serving(1))
    assert manager.default == 1


def answering(manager: VersionManager, ref: VersionRef = DEFAULT) -> int:
    lease = manager.lease(ref)
    lease.release()
    return lease.version


def test_a_label_names_the_version_it_points_at(manager: VersionManager) -> None:
    apply(manager, serving(1, 2, labels={"canary": 2, "production": 1}))
    assert answering(manager, VersionRef(label="production")) == 1
    assert answering(manager, VersionRef(label="canary")) == 2
    with pytest.raises(VersionNotFound, match="no label 'shadow'; labels: canary, production"):
        manager.lease(VersionRef(label="shadow"))


def test_a_label_that_moved_stays_with_the_old_version_until_the_new_one_is_loaded(
    manager: VersionManager, load: Loader
) -> None:
    during: list[int] = []
    shown: list[Snapshot] = []

    def ask(version: int) -> None:
        if version == 2:
            during.append(answering(manager, VersionRef(label="production")))
            shown.append(manager.snapshot())

    load.meanwhile = ask
    apply(manager, serving(1, labels={"production": 1}))
    apply(manager, serving(2, labels={"production": 2}))
    assert during == [1]
    assert [(each.default, each.labels) for each in shown] == [(1, {"production": 1})]
    assert manager.snapshot().labels == {"production": 2}
    assert answering(manager, VersionRef(label="production")) == 2
    assert [each.version for each in manager.status()] == [2], "nothing holds the old one any more"


def test_a_label_on_a_version_that_cannot_be_loaded_says_why(
    manager: VersionManager, load: Loader
) -> None:
    load.broken = {2}
    apply(manager, serving(1, 2, default=1, labels={"canary": 2}))
    with pytest.raises(VersionNotFound, match=r"version 2 \(label 'canary'\) is END \(.* broken\)"):
        manager.lease(VersionRef(label="canary"))


def test_another_labels_version_never_answers_for_a_default_that_is_broken(
    manager: VersionManager, load: Loader
) -> None:
    load.broken = {1}
    apply(manager, serving(1, 2, default=1, labels={"production": 1, "canary": 2}))
    with pytest.raises(NotReady, match="default version isn't loaded yet; available: 2"):
        manager.lease(DEFAULT)
    assert answering(manager, VersionRef(label="canary")) == 2


def test_a_fallback_answers_when_the_default_is_broken_from_the_start(
    manager: VersionManager, load: Loader, clock: Clock
) -> None:
    load.broken = {3, 2}
    apply(manager, serving(3, fallbacks=(2, 1)))
    assert load.loads == [3, 2, 1], "one after the other"
    assert answering(manager) == 1
    load.broken = set()
    clock.now += FIRST_RETRY_S
    apply(manager, serving(3, fallbacks=(2, 1)))
    assert answering(manager) == 3
    assert [each.version for each in manager.status() if each.state == "AVAILABLE"] == [3]


def test_weights_share_out_requests_that_name_no_version(manager: VersionManager) -> None:
    apply(manager, serving(1, 2, labels={"production": 1}, weights={1: 90, 2: 10}))
    assert Counter(answering(manager) for _ in range(1000)) == {1: 900, 2: 100}
    assert Counter(answering(manager, VersionRef(1)) for _ in range(100)) == {1: 100}
    production = VersionRef(label="production")
    assert Counter(answering(manager, production) for _ in range(100)) == {1: 100}


def test_a_weighted_version_that_is_not_available_leaves_its_share_to_the_others(
    manager: VersionManager, load: Loader
) -> None:
    load.broken = {2}
    apply(manager, serving(1, 2, 3, weights={1: 60, 2: 30, 3: 10}))
    assert Counter(answering(manager) for _ in range(70)) == {1: 60, 3: 10}
    apply(manager, serving(1, weights={2: 100}))
    assert answering(manager) == 1, "the default answers where no weighted one can"


def test_going_back_does_not_wait_for_a_version_that_is_loading(
    manager: VersionManager, load: Loader
) -> None:
    answers: list[int] = []

    def go_back(version: int) -> None:
        if version == 3:
            manager.want(serving(1, 2, default=1))
            answers.append(answering(manager))

    load.meanwhile = go_back
    apply(manager, serving(1, 2))
    apply(manager, serving(1, 2, 3))
    assert answers == [1]
    assert answering(manager) == 1
    assert [each.version for each in manager.status()] == [1, 2], "3 isn't wanted any more"


def test_failed_versions_are_tried_again_at_once_when_told_to(
    manager: VersionManager, load: Loader
) -> None:
    load.broken = {1}
    apply(manager, serving(1))
    load.broken = set()
    manager.settle()
    assert manager.default is None
    manager.retry()
    manager.settle()
    assert answering(manager) == 1


def available(manager: VersionManager) -> list[int]:
    return [each.version for each in manager.status() if each.state == "AVAILABLE"]


def test_within_the_budget_versions_are_kept_so_that_going_back_takes_no_time(
    frugal: VersionManager, load: Loader
) -> None:
    for version in (1, 2, 3):
        apply(frugal, serving(version))
    assert available(frugal) == [1, 2, 3]
    frugal.want(serving(1))
    assert answering(frugal) == 1
    assert load.loads == [1, 2, 3]


def test_over_the_budget_the_oldest_that_nobody_wants_goes_first(
    frugal: VersionManager,
) -> None:
    apply(frugal, serving(1, labels={"stable": 1}))
    for version in (2, 3, 4):
        apply(frugal, serving(1, version, default=version, labels={"stable": 1}))
    assert available(frugal) == [1, 3, 4]


def test_a_version_that_cannot_fit_is_refused_with_its_reason_before_it_is_loaded(
    frugal: VersionManager, load: Loader
) -> None:
    load.estimates[2] = 300
    apply(frugal, serving(1))
    apply(frugal, serving(2))
    assert answering(frugal) == 1
    assert load.loads == [1]
    reason = frugal.status()[1].error
    assert reason.startswith("it takes 300 MB and 100 MB of the 350 MB for versions are taken")


def test_a_version_that_takes_more_than_was_estimated_is_refused_after_loading(
    frugal: VersionManager, load: Loader
) -> None:
    load.takes[2] = 300
    apply(frugal, serving(1))
    apply(frugal, serving(2))
    assert answering(frugal) == 1
    assert load.loads == [1, 2]
    assert [each.closed for each in load.sessions] == [0, 1]
    assert "it takes 300 MB" in frugal.status()[1].error


def test_a_version_whose_size_cannot_be_known_is_tried_again_later(
    frugal: VersionManager, load: Loader, clock: Clock
) -> None:
    del load.estimates
    apply(frugal, serving(1))
    assert "estimates" in frugal.status()[0].error
    load.estimates = {}
    clock.now += FIRST_RETRY_S
    apply(frugal, serving(1))
    assert answering(frugal) == 1
