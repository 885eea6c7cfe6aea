"""Checks that a version on the shelf still is what was published, byte by byte."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model_store.backends.base import Backend
from model_store.errors import Corrupt, InvalidName, NotFound
from model_store.layout import file_key
from model_store.manifest import FileEntry, Manifest
from model_store.progress import Meter, Progress

_FILES_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that isn't the published one any more."""

    file: str
    reason: str


class Verifier:
    """Verifies versions of one store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def verify(self, manifest: Manifest, progress: Progress | None) -> tuple[Damage, ...]:
        """Read every file of the version; return what is damaged, nothing where all is well."""
        meter = Meter("verify", manifest.size_bytes, progress)
        with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="verify") as pool:
            checks = [pool.submit(self._check, manifest, entry, meter) for entry in manifest.files]
            found = [check.result() for check in checks]
        return tuple(damage for damage in found if damage is not None)

    def _check(self, manifest: Manifest, entry: FileEntry, meter: Meter) -> Damage | None:
        digest = hashlib.sha256()

        def take(data: bytes | memoryview) -> None:
            digest.update(data)
            meter.add(len(data))

        key = file_key(manifest.model, manifest.version, entry.name)
        try:
            self._backend.fetch(key, offset=0, size=entry.size, sink=take)
        except NotFound:
            return Damage(entry.name, "it is gone")
        except (Corrupt, InvalidName) as error:
            # InvalidName: a link or a folder is where the file was.
            return Damage(entry.name, str(error))
        if digest.hexdigest() != entry.sha256:
            return Damage(entry.name, "its bytes have changed (SHA-256 differs)")
        return None
