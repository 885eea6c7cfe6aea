"""A local cache of pulled versions, so that a restart needs no store.

::

    <root>/<store>/resnet50/catalog.json       the last catalog seen
    <root>/<store>/resnet50/.7.entry.json      what it says of a version that it has archived
    <root>/<store>/resnet50/7-0a1b2c3d4e5f/    a pulled version; the digits are its manifest's

Processes share it: each holds a lock on the versions it has fetched until it releases them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import weakref
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import msgspec

from model_store.atomic_file import write_atomically
from model_store.catalog import Catalog, VersionEntry
from model_store.catalog_json import decode_catalog, encode_catalog
from model_store.errors import Corrupt, NotFound, StoreError
from model_store.eviction import evict, use_marker
from model_store.hashing import sha256_of
from model_store.json_errors import JSON_ERRORS
from model_store.layout import CATALOG, MANIFEST
from model_store.locking import alone
from model_store.manifest import Manifest, decode_manifest
from model_store.names import check_model
from model_store.os_errors import os_edge


class Source(Protocol):
    """What the cache asks of a ModelStore."""

    @property
    def url(self) -> str:
        """The store's URL."""

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        """Return the model's catalog."""

    def entry(self, model: str, version: int) -> VersionEntry:
        """Return what the catalog says of the version, however old it is."""

    def pull(
        self, model: str, version: int, destination: Path, *, files: Collection[str] | None = None
    ) -> Path:
        """Bring the version to `destination`."""


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    etag: str | None
    catalog: str


class VersionCache:
    """Pulled versions and remembered catalogs below `root`; may be used from many threads.

    With `limit_bytes`, each fetch makes room afterwards: versions used longest ago go first, those
    that any process holds stay, even if that is more than the limit.
    """

    def __init__(self, root: Path, *, limit_bytes: int | None = None) -> None:
        self._root = root
        self._limit_bytes = limit_bytes
        self._held: dict[Path, int] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._held)

    def fetch(
        self,
        store: Source,
        model: str,
        version: int,
        *,
        files: Collection[str] | None = None,
    ) -> Path:
        """Return a folder with manifest.json and the chosen files, every byte verified.

        Asks the store only for what isn't here: a version whose catalog was remembered and whose
        files are cached needs no network. A damaged file is pulled anew. The folder stays until
        `release` or the end of the process.
        """
        entry = self.entry(store, model, version)
        folder = self._home(store.url, model) / f"{version}-{entry.manifest_sha256[:12]}"
        self._hold(folder)
        if not _is_whole(folder, entry, files):
            self._mend(store, model, entry, folder, files)
        with os_edge("marking as used", folder):
            os.utime(folder)
        if self._limit_bytes is not None:
            evict(self._root.glob("*/*/[0-9]*-*/"), self._limit_bytes)
        return folder

    def entry(self, store: Source, model: str, version: int) -> VersionEntry:
        """Return what the catalog says of the version; asks the store only if that isn't known."""
        remembered = self.recall(store.url, model)
        entry = self._remembered(store.url, remembered, version) if remembered else None
        if entry is not None:
            return entry
        catalog = store.catalog(model)
        self.remember(store.url, catalog)
        entry = catalog.get(version)
        if entry is None and catalog.exists(version):
            entry = store.entry(model, version)
            note = self._note(store.url, model, version)
            with os_edge("writing", note):
                write_atomically(note, msgspec.json.encode(entry))
        return entry or catalog.find(version)

    def release(self, folder: Path) -> None:
        """Tell that this process no longer uses a folder that `fetch` returned."""
        with self._lock:
            held = self._held.pop(folder, None)
        if held is not None:
            os.close(held)

    def remember(self, url: str, catalog: Catalog) -> None:
        """Keep the catalog for a start without the store."""
        note = _Note(url, catalog.etag, encode_catalog(catalog).decode())
        home = self._home(url, catalog.model)
        with os_edge("writing", home):
            home.mkdir(parents=True, exist_ok=True)
            write_atomically(home / CATALOG, msgspec.json.encode(note))

    def manifest(self, url: str, model: str, entry: VersionEntry) -> Manifest | None:
        """Return the manifest of a version that is here, None for any other; asks no store."""
        folder = self._home(url, model) / f"{entry.version}-{entry.manifest_sha256[:12]}"
        try:
            return _manifest(folder, entry)
        except StoreError:
            return None

    @staticmethod
    def manifest_in(folder: Path) -> Manifest:
        """Return the manifest in a folder that `fetch` returned, and thereby verified."""
        path = folder / MANIFEST
        with os_edge("reading", path):
            data = path.read_bytes()
        return decode_manifest(data, sha256=hashlib.sha256(data).hexdigest(), where=str(path))

    def recall(self, url: str, model: str) -> Catalog | None:
        """Return the catalog remembered last, None where there is none or it is damaged."""
        path = self._home(url, model) / CATALOG
        try:
            note = msgspec.json.decode(path.read_bytes(), type=_Note)
            return decode_catalog(
                note.catalog.encode(), model=model, etag=note.etag, where=str(path)
            )
        except (OSError, Corrupt, *JSON_ERRORS):
            return None

    def _remembered(self, url: str, catalog: Catalog, version: int) -> VersionEntry | None:
        entry = catalog.get(version)
        if entry is not None or not catalog.exists(version):
            return entry
        try:
            return msgspec.json.decode(
                self._note(url, catalog.model, version).read_bytes(), type=VersionEntry
            )
        except (OSError, *JSON_ERRORS):
            return None

    def _note(self, url: str, model: str, version: int) -> Path:
        return self._home(url, model) / f".{version}.entry.json"

    def _home(self, url: str, model: str) -> Path:
        return self._root / hashlib.sha256(url.encode()).hexdigest()[:16] / check_model(model)

    def _hold(self, folder: Path) -> None:
        with self._lock:
            if folder in self._held:
                return
            path = use_marker(folder)
            with os_edge("locking", path):
                folder.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._held[folder] = descriptor

    @staticmethod
    def _mend(
        store: Source,
        model: str,
        entry: VersionEntry,
        folder: Path,
        files: Collection[str] | None,
    ) -> None:
        """Remove what is damaged and pull what is missing, unless another process just did.

        One at a time: what one of them saw damaged may be what another has pulled since.
        """
        with alone(folder.with_name(f".{folder.name}.mending")):
            manifest = _manifest(folder, entry)
            if manifest is None:
                # Without its manifest the folder would look like somebody else's.
                _discard(folder)
            else:
                damaged = _damaged(folder, manifest, files)
                if not damaged:
                    return
                for path in damaged:
                    with os_edge("removing the damaged", path):
                        path.unlink(missing_ok=True)
            store.pull(model, entry.version, folder, files=files)


def _close_all(held: dict[Path, int]) -> None:
    while held:
        os.close(held.popitem()[1])


def _is_whole(folder: Path, entry: VersionEntry, files: Collection[str] | None) -> bool:
    """Tell whether nothing is missing or damaged; changes nothing."""
    manifest = _manifest(folder, entry)
    return manifest is not None and not _damaged(folder, manifest, files)


def _manifest(folder: Path, entry: VersionEntry) -> Manifest | None:
    path = folder / MANIFEST
    try:
        with os_edge("reading", path):
            data = path.read_bytes()
        return decode_manifest(data, sha256=entry.manifest_sha256, where=str(path))
    except (NotFound, Corrupt):
        return None


def _damaged(folder: Path, manifest: Manifest, files: Collection[str] | None) -> list[Path]:
    """Return where the chosen files are missing, or aren't the published ones."""
    names = {entry.name for entry in manifest.files} if files is None else set(files) - {MANIFEST}
    found = []
    for entry in map(manifest.find, sorted(names)):
        path = folder / entry.name
        try:
            with os_edge("reading", path):
                size = path.stat().st_size
            if size == entry.size and sha256_of(path) == entry.sha256:
                continue
        except NotFound:
            pass
        found.append(path)
    return found


def _discard(folder: Path) -> None:
    with os_edge("removing the damaged", folder):
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if folder.exists():
            folder.rmdir()
