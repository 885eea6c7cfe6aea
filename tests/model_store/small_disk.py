"""A disk of one megabyte that really fills up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE_BYTES = 4096


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system; every file takes whole pages."""

    place: Path

    def free_bytes(self) -> int:
        state = os.statvfs(self.place)
        return state.f_bavail * state.f_frsize

    def fill(self, *, leave_pages: int = 0) -> None:
        """Take all space but so much."""
        self.clear()
        self._ballast.write_bytes(bytes(self.free_bytes() - leave_pages * PAGE_BYTES))
        assert self.free_bytes() == leave_pages * PAGE_BYTES

    def clear(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.place / "ballast"


@contextmanager
def small_disk(place: Path) -> Iterator[SmallDisk]:
    """Mount a disk of one megabyte; skip the test where this user may not mount."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "hotshelf-test", str(place)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted to be filled: {done.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        # Lazy: a failed test may still hold a file.
        subprocess.run(["umount", "--lazy", str(place)], check=True)
