"""Brings one folder onto the shelf: reserve a number, upload, commit last."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from model_store.backends.base import Backend, Stage
from model_store.catalog import Catalog, VersionEntry
from model_store.claims import check_metrics, check_self_test, check_signature
from model_store.errors import InvalidVersion, NoSpace, StoreError
from model_store.gate import Gate, Say
from model_store.hashing import HashingReader
from model_store.identity import rfc3339
from model_store.layout import MANIFEST, version_prefix
from model_store.ledger import Ledger
from model_store.manifest import (
    FORMAT,
    SELF_TEST_FORMAT,
    FileEntry,
    Lineage,
    Manifest,
    SelfTest,
    Signature,
    encode_manifest,
)
from model_store.names import show
from model_store.os_errors import os_edge
from model_store.progress import Meter, Progress
from model_store.source_folder import SourceFile, count_classes, scan_folder
from model_store.transitions import commit, release, reserve, reserved_version

_FILES_AT_ONCE = 3


class Publisher:
    """Publishes to one store, as `who`."""

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        *,
        who: Callable[[], str],
        now: Callable[[], datetime],
        gate: Gate,
    ) -> None:
        self._backend = backend
        self._ledger = ledger
        self._gate = gate
        self._who = who
        self._now = now

    def publish(
        self,
        model: str,
        folder: Path,
        *,
        signature: Signature,
        metrics: Mapping[str, Mapping[str, float]],
        lineage: Lineage,
        self_test: SelfTest | msgspec.UnsetType,
        progress: Progress | None,
        allowed_loss: float | None,
        say: Say,
    ) -> Manifest:
        """Return the manifest of the new version; a failure leaves nothing that readers see.

        `allowed_loss` is the gate's margin in points, None for no gate.
        """
        files = scan_folder(folder)
        names = frozenset(file.name for file in files)
        check_signature(signature, classes=count_classes(folder))
        checked = check_metrics(metrics, names)
        if self_test is not msgspec.UNSET:
            check_self_test(self_test, names, signature)
        seen = None
        if allowed_loss is not None:
            seen = self._ledger.read(model)
            self._gate.check(seen, checked, lineage, points=allowed_loss, say=say)
        token, by = uuid.uuid4().hex, self._who()
        at = rfc3339(self._now())
        catalog = self._ledger.change(
            model, lambda catalog: reserve(catalog, token=token, at=at, by=by), seen=seen
        )
        version = reserved_version(catalog, token)
        try:
            with self._backend.stage(version_prefix(model, version)) as stage:
                entries = _upload(stage, files, progress)
                manifest = Manifest(
                    format=FORMAT if self_test is msgspec.UNSET else SELF_TEST_FORMAT,
                    model=model,
                    version=version,
                    published_at=rfc3339(self._now()),
                    published_by=by,
                    files=entries,
                    signature=signature,
                    metrics=checked,
                    lineage=lineage,
                    self_test=self_test,
                )
                data = _encode(manifest)
                stage.add(MANIFEST, io.BytesIO(data), len(data))
                stage.seal()
            self._commit(manifest, hashlib.sha256(data).hexdigest(), token, catalog)
        except BaseException as error:
            with suppress(StoreError):
                self._give_up(model, version, token, error)
            raise
        return manifest

    def _give_up(self, model: str, version: int, token: str, error: BaseException) -> None:
        """Leave nothing for `gc`, which would wait for the reservation's age.

        The files may be sealed already; they go only when nothing can commit them any more.
        """
        place = version_prefix(model, version)
        if isinstance(error, NoSpace) and not self._ledger.read(model).exists(version):
            # Only we could commit them, and the release needs the space that they take.
            self._backend.remove(place)
        catalog = self._ledger.change(model, lambda newest: release(newest, token=token))
        if not catalog.exists(version):
            self._backend.remove(place)

    def _commit(self, manifest: Manifest, sha256: str, token: str, seen: Catalog) -> None:
        entry = VersionEntry(
            version=manifest.version,
            manifest_sha256=sha256,
            published_at=manifest.published_at,
            published_by=manifest.published_by,
            size_bytes=manifest.size_bytes,
        )
        self._ledger.change(
            manifest.model, lambda catalog: commit(catalog, entry, token=token), seen=seen
        )


def _encode(manifest: Manifest) -> bytes:
    try:
        return encode_manifest(manifest)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidVersion(f"signature or lineage can't be written as JSON: {error}") from error


def _upload(
    stage: Stage, files: tuple[SourceFile, ...], progress: Progress | None
) -> tuple[FileEntry, ...]:
    meter = Meter("publish", sum(file.size for file in files), progress)
    with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="publish") as pool:
        # The largest takes longest, and the others fit beside it.
        uploads = {
            file.name: pool.submit(_upload_file, stage, file, meter)
            for file in sorted(files, key=lambda file: -file.size)
        }
        try:
            return tuple(uploads[file.name].result() for file in files)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _upload_file(stage: Stage, file: SourceFile, meter: Meter) -> FileEntry:
    with os_edge("opening", file.path):
        opened = file.path.open("rb")
    with opened:
        reader = HashingReader(opened, file.path, meter.add)
        try:
            stage.add(file.name, reader, file.size)
            grown = reader.read(1)
        finally:
            reader.close()
    if reader.size != file.size or grown:
        raise InvalidVersion(
            f"{show(str(file.path))} changed while it was being published; publish again when"
            " nothing writes to the folder"
        )
    return FileEntry(file.name, file.size, reader.sha256())
