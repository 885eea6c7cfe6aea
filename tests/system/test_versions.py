"""Operators change versions by REST, under load, and whatever goes wrong, no answer is wrong."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import requests

from model_store import KnownAnswers, ModelStore, SelfTest
from tests.eventually import eventually
from tests.system.running import (
    LINEAGE,
    POLL_S,
    SERVICE_PYTHON,
    SIGNATURE,
    Crowd,
    Service,
    publish,
    service,
)
from tests.tiny_model import tiny_model, write_version

pytestmark = pytest.mark.system

TOKEN = "alice-secret-1234"
MODEL = "resnet50"
SWAPS = 20


def administer(running: Service, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(
        method,
        f"{running.url}/admin{path}",
        json=body,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=20,
    )


def operated(
    store: ModelStore, folder: Path, **environment: str
) -> AbstractContextManager[Service]:
    """Run a service that follows the label `production` and has an admin, alice."""
    environment["HOTSHELF_SERVE"] = "label:production"
    environment["HOTSHELF_ADMIN_TOKENS"] = f"alice:{TOKEN}"
    return service(store.url, folder, wait=True, python=SERVICE_PYTHON, **environment)


@pytest.fixture
def shelf(local_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A store with the versions 1 and 2, the first of them in production."""
    for version in (1, 2):
        publish(local_store, tmp_path / str(version), favours=version)
    local_store.label(MODEL, "production", 1)
    return local_store


def settled(running: Service, version: int) -> Callable[[], bool]:
    return lambda: running.states() == {version: "AVAILABLE"}


def test_swaps_under_load_fail_no_request_and_keep_no_memory(
    shelf: ModelStore, tmp_path: Path
) -> None:
    memory: list[float] = []
    with operated(shelf, tmp_path / "run") as running, Crowd(running.url) as crowd:
        for swap in range(SWAPS):
            version = 2 - swap % 2
            moved = administer(running, "PUT", "/labels/production", {"version": version})
            assert moved.json()["labels"] == {"production": version}
            crowd.wait_for_answers(20, version=version)
            eventually(settled(running, version), within_s=20, what="the old one is unloaded")
            memory.append(running.memory_mb())
    assert crowd.failures == []
    assert memory[-1] < 1.05 * memory[4]
    history = shelf.catalog(MODEL).history[1:]
    assert {event.by.partition("@")[0] for event in history} == {"alice"}
    assert len(history) == SWAPS


@pytest.mark.timed
def test_a_rollback_is_instant_where_memory_allows_to_keep_versions(
    shelf: ModelStore, tmp_path: Path
) -> None:
    with operated(shelf, tmp_path / "run", HOTSHELF_MEMORY_MB="500") as running:
        administer(running, "PUT", "/labels/production", {"version": 2})
        running.wait_for_version(2)
        assert running.states() == {1: "AVAILABLE", 2: "AVAILABLE"}
        assert administer(running, "POST", "/rollback").ok
        running.wait_for_version(1, within_s=2)
        assert "version 1 is unloaded" not in running.said()


def test_a_canary_gets_its_share_and_named_versions_are_untouched(
    shelf: ModelStore, tmp_path: Path
) -> None:
    with operated(shelf, tmp_path / "run") as running:
        answer = administer(running, "PUT", "/weights", {"weights": {"1": 80, "2": 20}})
        assert answer.json()["weights"] == {"1": 80, "2": 20}
        running.wait_for_version(2)
        got = Counter(running.predict().headers["Model-Version"] for _ in range(100))
        assert got == {"1": 80, "2": 20}
        named = running.url + f"/v1/models/{MODEL}/labels/production"
        assert requests.get(named, timeout=10).json()["model_version_status"][0]["version"] == "1"
        refused = administer(running, "POST", "/versions/2/unload")
        assert refused.status_code == 409
        assert "has a share of the requests" in refused.json()["error"]
        assert administer(running, "DELETE", "/weights").ok
        eventually(settled(running, 1), within_s=10, what="the canary is gone")


def test_the_whole_fleet_follows_what_one_service_was_asked(
    shelf: ModelStore, tmp_path: Path
) -> None:
    with operated(shelf, tmp_path / "a") as asked, operated(shelf, tmp_path / "b") as other:
        assert administer(asked, "PUT", "/labels/production", {"version": 2}).ok
        for each in (asked, other):
            each.wait_for_version(2)
        assert administer(other, "POST", "/rollback").ok
        for each in (asked, other):
            each.wait_for_version(1)


def test_of_two_operators_the_second_is_told_who_was_first(
    shelf: ModelStore, tmp_path: Path
) -> None:
    with operated(shelf, tmp_path / "run") as running:
        shelf.label(MODEL, "production", 2, by="bert@desk")
        publish(shelf, tmp_path / "3", favours=3)
        late = administer(running, "PUT", "/labels/production", {"version": 3, "expected": 1})
        assert late.status_code == 409
        assert "points at version 2 now: bert@desk moved it" in late.json()["error"]
        unknown = administer(running, "PUT", "/labels/production", {"version": 9})
        assert unknown.status_code == 404
        assert "no version 9" in unknown.json()["error"]


def publish_bad(store: ModelStore, folder: Path, kind: str) -> None:
    """Publish version 3: one that can't be served, or that isn't what its manifest says."""
    write_version(folder, 3)
    model = tiny_model(3)
    if kind == "NaN":
        _set_bias(model, np.full(200, np.nan, np.float32))
    elif kind == "wrong classes":
        model = tiny_model(3, classes=199)
    onnx.save(model, folder / "model.onnx")
    images = np.zeros((1, 64, 64, 3), np.uint8)
    answers = np.full((1, 200), 1 / 200, np.float32)
    store.publish(
        MODEL,
        folder,
        signature=SIGNATURE,
        metrics={},
        lineage=LINEAGE,
        self_test=SelfTest(
            images=images.tobytes(),
            answers={"model.onnx": KnownAnswers(probabilities=answers.tobytes(), tolerance=1e-3)},
        ),
    )


def _set_bias(model: onnx.ModelProto, bias: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            tensor.CopyFrom(onnx.numpy_helper.from_array(bias, "bias"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("NaN", "NaN"),
        ("wrong classes", "199 outputs, classes.json names 200"),
        ("other answers", "answers otherwise than when it was published"),
    ],
)
def test_a_version_that_is_not_what_it_should_be_never_answers(
    shelf: ModelStore, tmp_path: Path, kind: str, reason: str
) -> None:
    with operated(shelf, tmp_path / "run") as running, Crowd(running.url, clients=8) as crowd:
        crowd.wait_for_answers(20, version=1)
        publish_bad(shelf, tmp_path / "3", kind)
        assert administer(running, "PUT", "/labels/production", {"version": 3}).ok
        eventually(
            lambda: reason in str(running.get(f"/v1/models/{MODEL}")),
            within_s=20,
            what="the status says what is wrong",
        )
        crowd.wait_for_answers(50, version=1)
        assert running.is_ready()
    assert crowd.failures == []
    assert {said for _, said in crowd.answers} == {"1"}


def engine(running: Service) -> int:
    return running.engine_pid()


def gunicorn(running: Service) -> int:
    """Return the HTTP side's main process: the supervisor's child that isn't the engine."""
    supervisor = running.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    (found,) = {int(each) for each in children} - {running.engine_pid()}
    return found


def worker(running: Service) -> int:
    parent = gunicorn(running)
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


@pytest.mark.timed
@pytest.mark.parametrize("victim", [engine, worker, gunicorn])
def test_a_process_killed_in_the_middle_of_a_swap_is_replaced_and_no_answer_is_wrong(
    shelf: ModelStore, tmp_path: Path, victim: Callable[[Service], int]
) -> None:
    with (
        operated(shelf, tmp_path / "run") as running,
        Crowd(running.url, clients=8, reconnect=True) as crowd,
    ):
        crowd.wait_for_answers(50, version=1)
        killed = victim(running)
        assert administer(running, "PUT", "/labels/production", {"version": 2}).ok
        os.kill(killed, signal.SIGKILL)
        running.wait_for_version(2, within_s=5)
        crowd.wait_for_answers(50, version=2)
        eventually(running.is_ready, within_s=2, what="readiness says so")
    statuses = {status for status, _ in crowd.answers}
    assert statuses <= {200, 503}
    assert all(each.startswith(("503", "ConnectionError")) for each in crowd.failures)
    # Each client has one request under way when its process dies, and tries again at once.
    lost = [each for each in crowd.failures if each.startswith("ConnectionError")]
    assert len(lost) <= 8


def test_a_store_that_is_away_stops_changes_and_nothing_else(
    shelf: ModelStore, tmp_path: Path
) -> None:
    place = Path(shelf.url.removeprefix("file://"))
    with operated(shelf, tmp_path / "run") as running, Crowd(running.url, clients=4) as crowd:
        away = place.rename(place.with_name("away"))
        place.write_text("not a folder any more")
        refused = administer(running, "PUT", "/labels/production", {"version": 2})
        assert refused.status_code == 503
        assert "nothing was changed" in refused.json()["error"]
        crowd.wait_for_answers(100, version=1)
        assert running.is_ready()
        place.unlink()
        away.rename(place)
        assert administer(running, "PUT", "/labels/production", {"version": 2}).ok
        crowd.wait_for_answers(20, version=2)
    assert crowd.failures == []


def load(running: Service, version: int) -> requests.Response:
    return requests.post(
        f"{running.url}/v2/repository/models/{MODEL}/load",
        json={"parameters": {"version": version}},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=20,
    )


def test_a_version_answers_as_soon_as_its_load_is_answered(
    shelf: ModelStore, tmp_path: Path
) -> None:
    with operated(shelf, tmp_path / "run") as running:
        assert load(running, 2).ok
        assert running.states() == {1: "AVAILABLE", 2: "AVAILABLE"}
        publish_bad(shelf, tmp_path / "3", "NaN")
        for _ in range(2):
            refused = load(running, 3)
            assert refused.status_code == 409
            assert "version 3 can't be served" in refused.json()["error"]
            assert "NaN" in refused.json()["error"]


def test_a_service_that_starts_on_a_broken_version_serves_the_one_before(
    shelf: ModelStore, tmp_path: Path
) -> None:
    publish_bad(shelf, tmp_path / "3", "NaN")
    shelf.label(MODEL, "production", 3)
    with operated(shelf, tmp_path / "run", HOTSHELF_POLL_S=str(POLL_S)) as running:
        assert running.predict().headers["Model-Version"] == "1"
