"""The whole loop with the real parts: train, publish, serve, predict, retrain, swap."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.system.running import ROOT, Crowd, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def training(*arguments: str | Path) -> str:
    """Run `python -m training …` as a user would; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def train(data: Path, folder: Path, run: str, store: str, steps: int) -> None:
    training(
        "train", "--data", data, "--cache", folder / "cache", "--run", folder / run,
        "--store", store, "--epochs", "1", "--steps-per-epoch", str(steps), "--batch-size", "8",
    )  # fmt: skip


def test_a_retrained_model_replaces_the_old_one_under_load(
    local_store: ModelStore, azure_store: ModelStore, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    training("generate", "--out", data, "--train-per-class", "2", "--val-per-class", "1")
    train(data, tmp_path, "first", local_store.url, steps=1)
    photo = next((data / "val" / "images").iterdir()).read_bytes()
    with service(local_store.url, tmp_path / "local") as running:
        before = running.predict(photo)
        assert before.headers["Model-Version"] == "1"
        assert [set(each) for each in before.json()] == [{"label", "score", "wnid"}] * 5
        with Crowd(running.url, clients=4, check_class=False) as crowd:
            train(data, tmp_path, "second", local_store.url, steps=2)
            crowd.wait_for_answers(10, version=2)
        assert crowd.failures == []
        assert running.predict(photo).json() != before.json()
        newest = running.predict(photo).json()

    training("publish", tmp_path / "second", "--store", azure_store.url)
    with service(azure_store.url, tmp_path / "azure") as running:
        assert running.predict(photo).json() == newest, "the same bytes give the same answer"
