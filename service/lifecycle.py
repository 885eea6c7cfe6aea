"""What every process of the service does when it starts."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel end this process when its parent dies, even by SIGKILL (Linux)."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # the parent died before the request took hold


def socket_path(run_dir: Path) -> Path:
    """Return where the engine listens."""
    return run_dir / "engine.sock"


def metrics_path(run_dir: Path) -> Path:
    """Return the folder where the processes leave their counters."""
    return run_dir / "metrics"
