from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from loadtest.faults import WrongAnswer
from loadtest.versions import DEFAULT, VersionWatch


@dataclass
class Service:
    """Says which versions answer, and counts how often it was asked."""

    versions: dict[str, frozenset[str]] = field(default_factory=dict)
    asked: int = 0
    now_s: float = 0.0

    def swap(self, *versions: str, label: str = DEFAULT) -> None:
        self.versions[label] = frozenset(versions)

    def say(self, label: str) -> frozenset[str]:
        self.asked += 1
        return self.versions.get(label, frozenset())

    def watch(self, settle_s: float = 0.0) -> VersionWatch:
        return VersionWatch(self.say, lambda: self.now_s, settle_s=settle_s)


@pytest.fixture
def service() -> Service:
    made = Service()
    made.swap("1")
    return made


def test_the_service_is_asked_once_a_swap(service: Service) -> None:
    watch = service.watch()
    for _ in range(10):
        watch.judge(DEFAULT, "1", 0.0)
    service.swap("2")
    for _ in range(10):
        watch.judge(DEFAULT, "2", 1.0)
    assert service.asked == 2


def test_an_answer_that_was_under_way_at_the_swap_is_right(service: Service) -> None:
    watch = service.watch()
    watch.judge(DEFAULT, "1", 0.0)
    service.swap("2")
    service.now_s = 5.0
    watch.judge(DEFAULT, "2", 4.9)
    watch.judge(DEFAULT, "1", 4.99)


def test_an_answer_of_a_replaced_version_is_wrong(service: Service) -> None:
    watch = service.watch()
    service.swap("2")
    service.now_s = 5.0
    watch.judge(DEFAULT, "2", 4.9)
    with pytest.raises(
        WrongAnswer, match=r"version 1 answered, but version 2 had replaced it 3.0 s"
    ):
        watch.judge(DEFAULT, "1", 8.0)
    watch.judge(DEFAULT, "2", 9.0)


def test_a_rollback_is_no_fault(service: Service) -> None:
    watch = service.watch()
    for version in ("1", "2", "1"):
        service.swap(version)
        service.now_s += 1
        watch.judge(DEFAULT, version, service.now_s)


def test_weights_let_each_of_their_versions_answer(service: Service) -> None:
    watch = service.watch()
    service.swap("1", "2")
    for version in ("1", "2", "1", "2"):
        watch.judge(DEFAULT, version, 1.0)
    with pytest.raises(WrongAnswer, match="version 3 answered"):
        watch.judge(DEFAULT, "3", 2.0)


def test_a_fleet_has_time_to_follow(service: Service) -> None:
    watch = service.watch(settle_s=5.0)
    service.swap("2")
    watch.judge(DEFAULT, "2", 0.0)
    watch.judge(DEFAULT, "1", 4.0)
    with pytest.raises(WrongAnswer):
        watch.judge(DEFAULT, "1", 6.0)


def test_labels_are_followed_each_by_itself(service: Service) -> None:
    watch = service.watch()
    service.swap("7", label="canary")
    watch.judge("canary", "7", 0.0)
    watch.judge(DEFAULT, "1", 0.0)
    with pytest.raises(WrongAnswer):
        watch.judge("canary", "1", 1.0)


def test_nothing_is_held_against_a_service_that_can_not_say(service: Service) -> None:
    watch = service.watch()
    watch.judge("unknown", "1", 0.0)
    watch.judge("unknown", "2", 1.0)
