from __future__ import annotations

import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.azurite_server import Azurite, azurite_server

# A busy machine is no failure; pytest's own time-out catches what hangs.
settings.register_profile("hotshelf", deadline=None)
settings.load_profile("hotshelf")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """For `make test`, which has two processes share the tests out.

    The tests of a file stay together, as they share fixtures, and so do those of files that name
    a group. Files with whole runs come first, or the last of them would run alone in the end.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    yield
    if config.getoption("numprocesses", None):
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
