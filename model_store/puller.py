"""Brings a version from the shelf into a folder: verified, whole or not at all, resumable."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_store.backends.base import Backend
from model_store.durability import sync_folder, sync_tree
from model_store.errors import Conflict, Corrupt, Denied, NoSpace, NotFound
from model_store.hashing import sha256_of
from model_store.layout import MANIFEST, file_key
from model_store.locking import alone
from model_store.manifest import FileEntry, Manifest
from model_store.os_errors import os_edge
from model_store.progress import Meter, Progress

_FILES_AT_ONCE = 3
_CHUNK_BYTES = 1 << 20


class Puller:
    """Pulls from one store; `where` names it in messages."""

    def __init__(self, backend: Backend, where: str) -> None:
        self._backend = backend
        self._where = where

    def pull(
        self,
        manifest: Manifest,
        manifest_bytes: bytes,
        destination: Path,
        *,
        files: Collection[str] | None,
        progress: Progress | None,
    ) -> Path:
        """Return `destination`, which then holds manifest.json and the chosen files.

        What is there already and is right stays; anything else that is there is a Conflict. An
        interrupted pull leaves a folder beside the destination, its name starting with a dot, and
        the same pull goes on from there.
        """
        chosen: Collection[FileEntry] = manifest.files
        if files is not None:
            chosen = [manifest.find(name) for name in sorted(set(files) - {MANIFEST})]
        destination = destination.absolute()
        with os_edge("creating", destination.parent):
            destination.parent.mkdir(parents=True, exist_ok=True)
        _check_replaceable(destination)
        digest = hashlib.sha256(manifest_bytes).hexdigest()
        workshop = destination.parent / f".{destination.name}.pull-{digest[:12]}"
        # A second pull of the same version to the same place waits.
        with alone(workshop.with_name(f"{workshop.name}.lock")):
            missing = _missing(destination, manifest_bytes, chosen)
            try:
                if missing:
                    self._download(manifest, missing, workshop, progress)
                _move_in(workshop, destination, manifest_bytes, missing)
            except (Denied, NoSpace):
                # These won't go away by trying again, and the space is wanted.
                shutil.rmtree(workshop, ignore_errors=True)
                raise
        return destination

    def _download(
        self,
        manifest: Manifest,
        files: Collection[FileEntry],
        workshop: Path,
        progress: Progress | None,
    ) -> None:
        meter = Meter("pull", sum(entry.size for entry in files), progress)
        with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="pull") as pool:
            # The largest takes longest, and the others fit beside it.
            downloads = [
                pool.submit(self._download_file, manifest, entry, workshop, meter)
                for entry in sorted(files, key=lambda entry: -entry.size)
            ]
            try:
                for download in downloads:
                    download.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _download_file(
        self, manifest: Manifest, entry: FileEntry, workshop: Path, meter: Meter
    ) -> None:
        key = file_key(manifest.model, manifest.version, entry.name)
        path = workshop / entry.name
        with os_edge("reading", path):
            if path.exists():
                # Only verified files have their final name, but disks and people change them.
                if _matches(path, entry):
                    meter.add(entry.size)
                    return
                path.unlink()
        part = path.with_name(f".{path.name}.part")
        with os_edge("writing", part):
            path.parent.mkdir(parents=True, exist_ok=True)
            digest, resumed_bytes = self._fill(key, part, entry.size, meter)
        if digest != entry.sha256 and resumed_bytes:
            # The part that was there may have been the damaged one: once more from the start.
            meter.add(-entry.size)
            part.unlink()
            with os_edge("writing", part):
                digest, _ = self._fill(key, part, entry.size, meter)
        if digest != entry.sha256:
            part.unlink()
            raise Corrupt(
                f"{self._where}/{key}: the bytes aren't the published ones (SHA-256 differs); pull"
                " again, and if it stays so, delete the version and publish it anew"
            )
        part.replace(path)

    def _fill(self, key: str, part: Path, size: int, meter: Meter) -> tuple[str, int]:
        digest = hashlib.sha256()
        with part.open("a+b", buffering=0) as file:
            if file.tell() > size:
                file.truncate(0)
            resumed_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
            meter.add(resumed_bytes)

            def take(data: bytes | memoryview) -> None:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
                digest.update(data)
                meter.add(len(data))

            if resumed_bytes < size:
                try:
                    self._backend.fetch(key, offset=resumed_bytes, size=size, sink=take)
                except NotFound as error:
                    raise Corrupt(
                        f"{self._where}/{key} is gone although the manifest names it; pull another"
                        " version, and publish this one anew"
                    ) from error
            os.fsync(file.fileno())
        return digest.hexdigest(), resumed_bytes


def _check_replaceable(destination: Path) -> None:
    """Raise Conflict for a place that a new folder can't be put in by one rename.

    One that holds a version already gets what is missing file by file.
    """
    with os_edge("reading", destination):
        if destination.is_dir() and any(destination.iterdir()):
            return
        if destination.is_symlink():
            raise Conflict(f"{destination} is a symbolic link; name its target")
        if destination.is_dir() and destination.samefile("."):
            # A new folder would take its place, and whoever stands in the old one sees nothing.
            raise Conflict(
                f"{destination} is the current folder; name a folder that doesn't exist yet"
            )


def _missing(
    destination: Path, manifest_bytes: bytes, chosen: Collection[FileEntry]
) -> list[FileEntry]:
    with os_edge("reading", destination):
        if not destination.exists():
            return list(chosen)
        marker = destination / MANIFEST
        if not destination.is_dir() or (any(destination.iterdir()) and not marker.is_file()):
            raise Conflict(f"{destination} exists and isn't a pulled version; name another place")
        if marker.is_file() and marker.read_bytes() != manifest_bytes:
            raise Conflict(
                f"{destination} holds another version, or its manifest was changed; name another"
                " place or remove it"
            )
        missing = []
        for entry in chosen:
            path = destination / entry.name
            if not path.exists():
                missing.append(entry)
            elif not _matches(path, entry):
                raise Conflict(
                    f"{path} isn't the published file any more; remove it and pull again"
                )
        return missing


def _matches(path: Path, entry: FileEntry) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and path.stat().st_size == entry.size
        and sha256_of(path) == entry.sha256
    )


def _move_in(
    workshop: Path, destination: Path, manifest_bytes: bytes, missing: Collection[FileEntry]
) -> None:
    """Make the downloaded files appear: a new destination in one step, an old one file by file."""
    if destination.exists() and any(destination.iterdir()):
        with os_edge("writing", destination):
            for entry in missing:
                target = destination / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                (workshop / entry.name).replace(target)
            shutil.rmtree(workshop, ignore_errors=True)
        return
    with os_edge("writing", workshop):
        workshop.mkdir(exist_ok=True)
        # A pull of other files of the same version may have been interrupted here.
        wanted = {entry.name for entry in missing}
        for folder, _, names in os.walk(workshop, topdown=False):
            for name in names:
                path = Path(folder, name)
                if path.relative_to(workshop).as_posix() not in wanted:
                    path.unlink()
            if not any(Path(folder).iterdir()) and Path(folder) != workshop:
                Path(folder).rmdir()
        with (workshop / MANIFEST).open("wb") as file:
            file.write(manifest_bytes)
            file.flush()
            os.fsync(file.fileno())
        sync_tree(workshop)
    with os_edge("writing", destination):
        workshop.rename(destination)
        sync_folder(destination.parent)
