from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tests.azurite_server import Azurite, azurite_server

# A busy machine is no failure; pytest's own time-out catches what hangs.
settings.register_profile("hotshelf", deadline=None)
settings.load_profile("hotshelf")


# They look at one whole run, the session's fixture `published`.
SHARING_A_RUN = ("tests/training/test_run.py", "tests/training/test_fine_tuning.py")


class FileByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist's schedulers have no types
    """Gives each process of `make test` whole files, as their tests share fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "sharing a run" if file in SHARING_A_RUN else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    return FileByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Begin with what takes long, or one process would do the last of it while others idle."""
    yield
    items.sort(key=lambda item: item.get_closest_marker("system") is None)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for all tests; each takes a container of its own."""
    with azurite_server(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def sigint_is_heard() -> Iterator[None]:
    """SIGINT is what it is at a terminal, here and in processes that the test starts.

    A shell has its background jobs ignore it, which their children inherit.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
