"""How gunicorn runs the workers; the supervisor names this file when it starts gunicorn."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import multiprocess

from service.lifecycle import die_with_parent, set_up_logging
from service.settings import Settings

_settings = Settings.from_environment(os.environ)

bind = [f"{_settings.host}:{_settings.port}"]
workers = _settings.workers
worker_class = "asgi"
asgi_lifespan = "on"
# Stopping waits for open connections; an idle one is closed after this many seconds.
keepalive = 5
# A client gets this long to send its headers and between two pieces of its body; a worker's event
# loop this long to show that it is alive.
timeout = 30
graceful_timeout = int(_settings.shutdown_s)
loglevel = _settings.log_level
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Tie gunicorn's main process to the supervisor's life."""
    del server
    die_with_parent()
    set_up_logging("http", _settings.log_level)


def child_exit(server: Any, worker: Any) -> None:
    """Leave a dead worker's counters standing, drop its gauges."""
    del server
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
