from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.azurite_server import Azurite, azurite_server

# A busy machine is no failure; pytest's own time-out catches what hangs.
settings.register_profile("hotshelf", deadline=None)
settings.load_profile("hotshelf")


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
