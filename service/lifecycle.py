"""What every process of the service does when it starts."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Exit status of a process that can't start as it was told to: another try would end the same.
CANNOT_START = 2

GC_ALLOCATIONS = 10_000

_PR_SET_PDEATHSIG = 1

# mallopt's parameters (malloc.h).
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

# Weights, large bodies and images come in pieces of megabytes. Each gets pages of its own, which go
# back when it is freed, instead of a place on a heap that stays as large as it ever was.
_LARGE_BYTES = 1024 * 1024
# Threads that come and go would leave a heap behind for every one of them.
_HEAPS = 4
_PR_SET_NAME = 15
_PR_GET_NAME = 16


def die_with_parent() -> None:
    """Have the kernel end this process when its parent dies, even by SIGKILL (Linux)."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # the parent died before the request took hold


def keep_what_is_loaded() -> None:
    """Spare the garbage collector the modules: they stay, and looking at them takes milliseconds.

    To be called once when everything is imported, before requests come. Collections also get rarer,
    since a request leaves hardly any cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)


def allow_open_files(wanted: int) -> int:
    """Have this process be allowed so many open files; return how many it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def name_thread(name: str) -> None:
    """Show this thread, and those it starts from now on, under a name in `top -H` (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode("latin-1"), 0, 0, 0)


@contextmanager
def starting_threads_as(name: str) -> Iterator[None]:
    """Have the threads that are started meanwhile shown under a name."""
    own = ctypes.create_string_buffer(16)
    ctypes.CDLL(None).prctl(_PR_GET_NAME, own, 0, 0, 0)
    name_thread(name)
    try:
        yield
    finally:
        name_thread(own.value.decode("latin-1"))


def socket_path(run_dir: Path) -> Path:
    """Return where the engine listens."""
    return run_dir / "engine.sock"


def metrics_path(run_dir: Path) -> Path:
    """Return the folder where the processes leave their counters."""
    return run_dir / "metrics"


def keep_heaps_small() -> None:
    """Have what this process frees in large pieces go back to the system (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, _HEAPS)
