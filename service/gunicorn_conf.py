"""How gunicorn runs the workers; the supervisor names this file when it starts gunicorn."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger

from service.lifecycle import die_with_parent
from service.logs import set_up_logging
from service.settings import Settings
from service.tracing import set_up_tracing

_settings = Settings.from_environment(os.environ)


class OurLogger(Logger):  # type: ignore[misc]
    """gunicorn's own events, in the lines that everything else is logged in."""

    def setup(self, cfg: Any) -> None:
        """Log as the settings say, and let gunicorn's events come to the same handler."""
        set_up_logging("http", _settings.log_level, _settings.log_format)
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


workers = _settings.workers
worker_class = "service.web.worker.GreenletWorker"
# Seconds that a worker's event loop may take to show that it is alive. How long clients may take is
# in service/web/limits.py.
timeout = 30
# The worker itself stops after drain_s and shutdown_s; gunicorn only waits for it.
graceful_timeout = int(_settings.drain_s + _settings.shutdown_s) + 3
logger_class = OurLogger
loglevel = _settings.log_level
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Tie gunicorn's main process to the supervisor's life."""
    del server
    die_with_parent()


def post_fork(server: Any, worker: Any) -> None:
    """Let scrapes see the new worker; spans are sent by a thread, which no fork would survive."""
    del server, worker
    # Whoever imports the metrics takes a place among the processes that count; this one must not
    # before it has workers of its own to do the counting.
    from service import metrics

    metrics.sign_in("worker")
    set_up_tracing(os.environ)
