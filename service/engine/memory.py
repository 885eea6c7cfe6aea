"""How much memory this process takes, and giving back what it doesn't need."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_libc = ctypes.CDLL(None)


def resident_bytes() -> int:
    """Return what the process has in memory, after giving back what is free (glibc).

    Loading a model leaves about as much freed memory behind as its file is large, and unloading it
    half of what it took: malloc keeps both for later, which adds up with every swap.
    """
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
