"""How much memory this process takes, and giving back what it doesn't need."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# mallopt's parameters (malloc.h).
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

# Weights come in pieces of megabytes. Each gets pages of its own, which go back when it is freed,
# instead of a place on a heap that stays as large as it ever was.
_LARGE_BYTES = 1024 * 1024
# Threads that come and go with each version would leave a heap behind for every one of them.
_HEAPS = 4

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_libc = ctypes.CDLL(None)


def keep_heaps_small() -> None:
    """Have what versions take go back to the system when they are unloaded (glibc)."""
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _HEAPS)


def resident_bytes() -> int:
    """Return what the process has in memory, after giving back what is free (glibc).

    Loading a model leaves about as much freed memory behind as its file is large, and unloading it
    half of what it took: malloc keeps both for later, which adds up with every swap.
    """
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
