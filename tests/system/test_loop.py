"""The whole loop with the real parts: train, publish, serve, predict, retrain, swap."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.system.running import ROOT, Crowd, service
from tests.training.running import small_network

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def training(*arguments: str | Path, environment: Mapping[str, str] = os.environ) -> str:
    """Run `python -m training …` as a user would; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def train(
    data: Path, folder: Path, run: str, store: str, environment: Mapping[str, str] = os.environ
) -> None:
    training(
        "train", "--data", data, "--cache", folder / "cache", "--run", folder / run,
        "--store", store, "--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "8",
        environment=environment,
    )  # fmt: skip


def test_a_retrained_model_replaces_the_old_one_under_load(
    local_store: ModelStore, azure_store: ModelStore, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    training("generate", "--out", data, "--train-per-class", "2", "--val-per-class", "1")
    # Something to begin with; a ResNet-50 is what it is replaced by.
    train(data, tmp_path, "first", local_store.url, small_network())
    photo = next((data / "val" / "images").iterdir()).read_bytes()
    with service(local_store.url, tmp_path / "local") as running:
        before = running.predict(photo)
        assert before.headers["Model-Version"] == "1"
        assert [set(each) for each in before.json()] == [{"label", "score", "wnid"}] * 5
        with Crowd(running.url, clients=1, check_class=False) as crowd:
            train(data, tmp_path, "second", local_store.url)
            crowd.wait_for_answers(10, version=2)
        assert crowd.failures == []
        assert running.predict(photo).json() != before.json()
        newest = running.predict(photo).json()

    training("publish", tmp_path / "second", "--store", azure_store.url)
    with service(azure_store.url, tmp_path / "azure") as running:
        assert running.predict(photo).json() == newest, "the same bytes give the same answer"
