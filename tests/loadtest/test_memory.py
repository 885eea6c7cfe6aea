from __future__ import annotations

import os
import socket

from loadtest.memory import listener, resident_mb


def test_the_process_that_holds_a_port_is_found_with_its_memory() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = listener(port)
        assert found is not None
        assert found.pid == os.getpid()
        assert (resident_mb(found) or 0) > 1
    assert listener(port) is None
