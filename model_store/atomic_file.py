"""Replacing a small file in one step."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from model_store.durability import sync_folder
from model_store.layout import TEMPORARY_PREFIX


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file with `data`, durably; readers see the old bytes or the new ones."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex[:12]}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
