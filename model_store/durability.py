"""Flushing folders to disk, so that a rename survives a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Flush the folder's own entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(top: Path) -> None:
    """Flush the entries of the folder and of all folders below it."""
    for folder, _, _ in os.walk(top):
        sync_folder(Path(folder))
