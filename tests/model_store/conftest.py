from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from model_store import ModelStore, open_store
from model_store.backends.azure import AzureBackend
from model_store.backends.azure_access import Access
from model_store.backends.base import Backend
from model_store.backends.local import LocalBackend
from model_store.url import AzureUrl
from tests.azurite_server import ACCOUNT, Azurite
from tests.model_store.command_line import Run, runner
from tests.model_store.material import LINEAGE, METRICS, SIGNATURE, make_folder
from tests.model_store.memory_backend import MemoryBackend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that can be published."""
    return make_folder(tmp_path / "offered")


@pytest.fixture
def local_url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/shelf"


@pytest.fixture
def azure_url(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container of its own that doesn't exist yet, and the environment to reach it."""
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    return f"az://{ACCOUNT}/c{uuid.uuid4().hex[:20]}/some/prefix"


@pytest.fixture
def local_store(local_url: str) -> ModelStore:
    return open_store(local_url)


@pytest.fixture(params=["local", "azure"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Both kinds of store, one after the other."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[ModelStore]:
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture(params=["local", "azure", "memory"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Both backends, and the fake that stands for them elsewhere, one after the other."""
    if request.param == "memory":
        yield MemoryBackend()
        return
    if request.param == "local":
        yield LocalBackend(tmp_path / "shelf")
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    url = AzureUrl(ACCOUNT, f"c{uuid.uuid4().hex[:20]}", "some/prefix")
    opened = AzureBackend(url, Access(azurite.connection_string, None))
    yield opened
    opened.close()


@pytest.fixture
def run(local_url: str) -> Run:
    """Run one command on the local shelf."""
    return runner(local_url)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What `publish --data` takes."""
    path = tmp_path / "data.json"
    path.write_bytes(
        msgspec.json.encode({"signature": SIGNATURE, "metrics": METRICS, "lineage": LINEAGE})
    )
    return path


@pytest.fixture
def shelf(run: Run, folder: Path, data: Path) -> Run:
    """Versions 1 and 2; production is at 2."""
    assert run("publish", folder, "--data", data).code == 0
    answer = run("publish", folder, "--data", data, "--label", "production")
    assert answer.out == "published resnet50 2, labelled production\n"
    return run
