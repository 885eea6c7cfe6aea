"""Where and when: the code's version, this machine, the time; all of it for the lineage."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def code_version() -> str:
    """Return what git calls this checkout, `-dirty` when changed; else the installed version."""
    try:
        described = subprocess.run(
            ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--tags"],
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        )
        return described.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        return importlib.metadata.version("hotshelf")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def host() -> str:
    """Return this machine's name."""
    return platform.node() or "unknown"


def now() -> str:
    """Return the time, RFC 3339 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
