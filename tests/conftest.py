from __future__ import annotations

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
