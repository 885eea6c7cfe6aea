"""What becomes of memory that a worker has freed."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

LARGE_BYTES = 1024 * 1024
ARENAS = 2


def give_large_blocks_back() -> None:
    """Have malloc (glibc's) return blocks of bodies and images to the system when they are freed.

    Left alone it learns from the first large block it frees to keep later ones, in as many pieces
    as there are threads: a few large bodies among small ones then cost a worker hundreds of
    megabytes for as long as it lives.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS)
