"""The Locust file against the real service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.system.running import ROOT, jpeg, publish, service

pytestmark = pytest.mark.system


def locust(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless",
            "--host", url, "--users", "10", "--spawn-rate", "10", "--run-time", "3s",
            "--json", "--exit-code-on-error", "1", *options,
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(5):
        (folder / f"{n}.jpg").write_bytes(jpeg(n))
    return folder


def test_all_answers_of_a_sound_service_pass(
    local_store: ModelStore, tmp_path: Path, images: Path
) -> None:
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        done = locust(running.url, "--images", str(images))
    assert done.returncode == 0, done.stderr[-3000:]
    entries = {each["name"]: each for each in json.loads(done.stdout)}
    for name in ("/predict?top=5", "/v1/models/resnet50/versions/N:predict"):
        assert entries[name]["num_requests"] > 10
        assert entries[name]["num_failures"] == 0


def test_failures_are_told_by_the_exit_status(
    local_store: ModelStore, tmp_path: Path, images: Path
) -> None:
    (images / "broken.jpg").write_bytes(b"no image")
    publish(local_store, tmp_path / "1", favours=1)
    with service(local_store.url, tmp_path / "run") as running:
        done = locust(running.url, "--images", str(images))
    assert done.returncode == 1
    assert "not an image" in done.stderr
