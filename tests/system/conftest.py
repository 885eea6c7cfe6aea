from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from model_store import ModelStore, open_store
from tests.azurite_server import ACCOUNT, Azurite


@pytest.fixture
def local_store(tmp_path: Path) -> ModelStore:
    return open_store(f"file://{tmp_path / 'shelf'}")


@pytest.fixture
def azure_store(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"az://{ACCOUNT}/c{uuid.uuid4().hex}/shelf")


@pytest.fixture(params=["local", "azure"])
def store(request: pytest.FixtureRequest) -> ModelStore:
    """A fresh store of either kind."""
    made: ModelStore = request.getfixturevalue(f"{request.param}_store")
    return made
