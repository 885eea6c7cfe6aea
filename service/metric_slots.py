"""Which files a process counts in: those of a slot, which it holds for as long as it lives.

Each process of the service adds to counters in files of its own; a scrape adds the files up. Named
after process ids, as prometheus_client does by default, files pile up with every restart. Named
after slots, the process that takes a dead one's place goes on where that one stopped: nothing is
lost, nothing is counted twice, and there are never more files than processes at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LivingProcess:
    """A process that holds a slot: what it is for (such as "engine") and its id."""

    role: str
    pid: int


class Slot:
    """The lowest slot of a folder that no living process holds; called, it gives its name.

    The kernel lets go of a slot when its process ends, however that happens. A forked child takes
    a slot of its own as soon as it counts anything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._lock = -1
        # Counters ask for the name with every addition; asking for the process's id would be dear.
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> str:
        """Return the slot's name, taking one if this process has none yet."""
        if not self._name:
            self._take()
        return self._name

    def sign(self, role: str) -> None:
        """Write down what this process is, for `living_processes`."""
        self()
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{role} {os.getpid()}".encode(), 0)

    def _forget(self) -> None:
        self._name = ""
        if self._lock >= 0:
            os.close(self._lock)  # the parent's, from before the fork; the parent holds it on
            self._lock = -1

    def _take(self) -> None:
        for number in itertools.count():
            lock = os.open(_path(self._folder, number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            os.ftruncate(lock, 0)
            self._lock, self._name = lock, str(number)
            return


def living_processes(folder: Path) -> Iterator[LivingProcess]:
    """Yield the processes that hold a slot and have signed it."""
    for path in sorted(folder.glob("slot-*.lock")):
        with path.open("rb") as file:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                continue  # nobody holds it
            role, _, pid = file.read().decode().partition(" ")
            if pid:
                yield LivingProcess(role, int(pid))


def _path(folder: Path, number: int) -> Path:
    return folder / f"slot-{number}.lock"
