"""One process at a time, by a lock file that leaves with its last holder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from os import fstat
from pathlib import Path

from model_store.os_errors import os_edge


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the lock file within the block; whoever else wants it, thread or process, waits.

    Its folder has to be there. The kernel lets go of it however the process ends.
    """
    with os_edge("locking", lock):
        while True:
            file = lock.open("ab")
            fcntl.flock(file, fcntl.LOCK_EX)
            if lock.exists() and lock.stat().st_ino == fstat(file.fileno()).st_ino:
                break
            file.close()  # its last holder removed it while this waited
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()
