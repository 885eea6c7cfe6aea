"""Versions change under load and nobody notices."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import requests

from model_store import ModelStore, open_store
from model_store.layout import CATALOG
from tests.eventually import eventually
from tests.system.running import Crowd, publish, service

pytestmark = pytest.mark.system


def test_versions_swap_under_load_without_a_failed_request(
    store: ModelStore, tmp_path: Path
) -> None:
    publish(store, tmp_path / "1", favours=1)
    with service(store.url, tmp_path / "run") as running, Crowd(running.url) as crowd:
        crowd.wait_for_answers(100, version=1)
        for version in (2, 3, 4):
            assert publish(store, tmp_path / str(version), favours=version) == version
            crowd.wait_for_answers(100, version=version)
        states = running.states()
    assert crowd.failures == []
    assert states == {3: "AVAILABLE", 4: "AVAILABLE"}, "the two newest stay loaded"


@pytest.mark.timed
def test_a_new_version_answers_within_one_poll(local_store: ModelStore, tmp_path: Path) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run", HOTSHELF_POLL_S="3") as running:
        publish(local_store, tmp_path / "2", favours=2)
        started = time.monotonic()
        running.wait_for_version(2)
        took_s = time.monotonic() - started
    # The interval has 10% jitter, so a second poll would come after 5.4 s at the earliest.
    assert took_s < 5.4


@pytest.mark.parametrize("kind", ["truncated", "damaged after publishing"])
def test_a_broken_version_changes_nothing_but_the_status(
    local_store: ModelStore, tmp_path: Path, kind: str
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running, Crowd(running.url) as crowd:
        crowd.wait_for_answers(50, version=1)
        if kind == "truncated":
            publish(local_store, tmp_path / "2", favours=2, truncated=True)
        else:
            damage_next_version(local_store, tmp_path)
        status = wait_for_error(running_url=running.url)
        crowd.wait_for_answers(50, version=1)
        assert running.is_ready()
        publish(local_store, tmp_path / "3", favours=3)
        crowd.wait_for_answers(50, version=3)
    assert crowd.failures == []
    assert "model.onnx" in status


def damage_next_version(store: ModelStore, tmp_path: Path) -> None:
    """Flip a bit in version 2 before the service can see it: publish elsewhere, then move."""
    shelf, elsewhere = Path(store.url.removeprefix("file://")), tmp_path / "elsewhere"
    shutil.copytree(shelf, elsewhere)
    assert publish(open_store(f"file://{elsewhere}"), tmp_path / "2", favours=2) == 2
    model = elsewhere / "resnet50" / "2" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-50] ^= 1
    model.chmod(0o644)
    model.write_bytes(content)
    for moved in ("2", CATALOG):
        (elsewhere / "resnet50" / moved).rename(shelf / "resnet50" / moved)


def wait_for_error(running_url: str) -> str:
    def error() -> str:
        versions = requests.get(f"{running_url}/v1/models/resnet50", timeout=10).json()
        found = [each["status"]["error_message"] for each in versions["model_version_status"]]
        return "".join(found)

    return eventually(error, within_s=20, what="the status says what is wrong")


def test_the_service_starts_from_its_cache_while_the_store_is_away(
    local_store: ModelStore, tmp_path: Path
) -> None:
    shelf = Path(local_store.url.removeprefix("file://"))
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        assert running.predict().headers["Model-Version"] == "1"
    away = shelf.rename(shelf.with_name("away"))
    shelf.write_text("not a folder any more")
    with service(local_store.url, tmp_path / "run") as running:
        assert running.predict().headers["Model-Version"] == "1"
        shelf.unlink()
        away.rename(shelf)
        publish(local_store, tmp_path / "2", favours=2)
        running.wait_for_version(2)
        assert "the store can be read again" in running.said()


def test_an_empty_store_is_waited_for_and_the_wait_explained(
    local_store: ModelStore, tmp_path: Path
) -> None:
    with service(local_store.url, tmp_path / "run", wait=False) as running:
        eventually(
            lambda: "holds no version of 'resnet50'" in reason(running.url),
            within_s=20,
            what="readyz says what it waits for",
        )
        assert running.predict().status_code == 503
        publish(local_store, tmp_path / "1", favours=1)
        running.wait_for_version(1)


def reason(url: str) -> str:
    try:
        return str(requests.get(f"{url}/readyz", timeout=5).json().get("reason", ""))
    except requests.ConnectionError:
        return ""
