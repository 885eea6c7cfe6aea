"""Who acts, and when: what the catalog's history records."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime

MAX_USER_CHARS = 200


def who() -> str:
    """Return `user@host`; the environment's HOTSHELF_USER takes the place of the user.

    It can be written as JSON: what isn't UTF-8 is escaped, and a very long name is cut.
    """
    try:
        user = os.environ.get("HOTSHELF_USER") or getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        user = f"uid{os.getuid()}"
    user = user.encode(errors="backslashreplace").decode()
    if len(user) > MAX_USER_CHARS:
        user = user[:MAX_USER_CHARS] + "…"
    return f"{user}@{socket.gethostname()}"


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return the moment in RFC 3339 with microseconds, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the moment that `rfc3339` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)
