"""How every process of the service logs: to standard error, one line an event, as text or JSON."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any

import msgspec

from service.correlation import current

log = logging.getLogger(__name__)

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")


def set_up_logging(role: str, level: str, form: str) -> None:
    """Log from here on as `form` says, naming the process's role in each line."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(role) if form == "json" else TextLines(role))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The SDK logs each request's headers at INFO; that is debugging.
    logging.getLogger("azure").setLevel(logging.WARNING)
    # It logs whole addresses, which may have a SAS token in them; also with some of its warnings.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    sys.excepthook = _log_uncaught


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Have what ends the process in the log's own form, for whoever reads that."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    log.critical("ended by an unexpected error", exc_info=(kind, error, traceback))


class TextLines(logging.Formatter):
    """For people: time, level, process, message and, inside a request, its id."""

    def __init__(self, role: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {role}[%(process)d] %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line without a traceback."""
        # A line break in a message would let whoever caused it write lines of their own.
        line = super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
        request_id = _request_id(record)
        return f"{line} request={request_id}" if request_id else line


class JsonLines(logging.Formatter):
    """For machines: one object a line, with the same names in every process.

    `time` is RFC 3339 in UTC; `request_id` is there when the event concerns one request, and an
    event's own facts (such as those of the access log) stand beside them.
    """

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line of JSON."""
        event: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "process": self._role,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = _request_id(record)
        if request_id:
            event["request_id"] = request_id
        event.update(getattr(record, "facts", {}))
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return self._encode(event).decode()


def _request_id(record: logging.LogRecord) -> str:
    """Return the id an event was logged with, or that of the request it was logged in."""
    own: str = getattr(record, "request_id", "")
    return own or current().request_id


def _rfc3339(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
