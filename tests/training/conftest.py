from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.fakes import RecordedBars
from tests.training.running import Published, said, training
from training.data.generate import GeneratedSize, generate


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated data set in its smallest size: 200 training, 200 validation images."""
    folder = tmp_path_factory.mktemp("drawn") / "data"
    return generate(folder, GeneratedSize(train_per_class=1, val_per_class=1), RecordedBars())


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Published:
    """A run of ResNet-50 that nothing disturbed, and that became version 1 of `resnet50`.

    Who publishes more versions, or spoils its folder, takes a copy.
    """
    folder = tmp_path_factory.mktemp("runs")
    run, store = folder / "undisturbed", f"file://{folder}/shelf"
    return Published(folder, run, store, said(folder, *training(run, drawn, "--store", store)))


@pytest.fixture(autouse=True)
def _determinism_ends_with_the_test() -> Iterator[None]:
    """Commands turn it on for their process; with it on, some operations of others are refused."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()


@pytest.fixture
def bars() -> RecordedBars:
    return RecordedBars()
