"""A shelf of models: publish versions, look them up, pull them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from model_store import identity
from model_store.archive import Bounds
from model_store.backends.base import Backend
from model_store.catalog import Catalog, VersionEntry
from model_store.errors import Corrupt, InvalidName, NotFound
from model_store.garbage import Collector, Garbage
from model_store.gate import POINTS, Gate, Say
from model_store.labels import Labels
from model_store.layout import CATALOG, MANIFEST, file_key
from model_store.ledger import Ledger
from model_store.manifest import Lineage, Manifest, SelfTest, Signature, decode_manifest
from model_store.names import check_model
from model_store.progress import Progress
from model_store.publisher import Publisher
from model_store.puller import Puller
from model_store.traffic import load, note_refused_weights, unload, weigh
from model_store.transitions import doom
from model_store.url import AzureUrl, FileUrl, parse_store_url
from model_store.verifier import Damage, Verifier

GARBAGE_AGE = timedelta(days=1)


def open_store(url: str) -> ModelStore:
    """Return the store at `file:///folder` or `az://ACCOUNT/CONTAINER/PREFIX`.

    Nothing is read or written yet. Azure's credentials come from the environment:
    AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_SAS_TOKEN, or what DefaultAzureCredential
    finds; AZURE_STORAGE_BLOB_ENDPOINT is the account's address in other clouds. Raises
    InvalidStoreUrl for a URL or an address that can't be understood.
    """
    parsed = parse_store_url(url)
    return ModelStore(str(parsed), _backend(parsed))


def _backend(url: FileUrl | AzureUrl) -> Backend:
    # Imported here, so that a local shelf doesn't wait for the Azure SDK.
    if isinstance(url, FileUrl):
        from model_store.backends.local import LocalBackend

        return LocalBackend(url.root)
    from model_store.backends.azure import AzureBackend
    from model_store.backends.azure_access import Access

    return AzureBackend(url, Access.from_environment(os.environ))


def _say_nothing(_: str) -> None:
    pass


class ModelStore:
    """All models of one store; may be used from many threads at once.

    Every method raises errors of `model_store.errors` only.
    """

    def __init__(
        self,
        url: str,
        backend: Backend,
        *,
        who: Callable[[], str] = identity.who,
        now: Callable[[], datetime] = identity.now,
        bounds: Bounds | None = None,
    ) -> None:
        self.url = url
        self._backend = backend
        self._ledger = Ledger(url, backend, bounds=bounds)
        self._publisher = Publisher(
            backend, self._ledger, who=who, now=now, gate=Gate(self.manifest)
        )
        self._puller = Puller(backend, url)
        self._labels = Labels(self._ledger, who=who, now=now)
        self._collector = Collector(backend, self._ledger, now=now)
        self._verifier = Verifier(backend)
        self._who = who
        self._now = now

    def __repr__(self) -> str:
        return f"ModelStore({self.url!r})"

    def close(self) -> None:
        """Let go of connections; the store can't be used any more."""
        self._backend.close()

    def catalog(self, model: str, *, known: Catalog | None = None) -> Catalog:
        """Return the model's catalog in one conditional GET.

        Its `versions` and `history` are the newest ones where there are hundreds; `whole_catalog`
        has all. Returns `known` itself when nothing has changed since. A model that nobody has
        published yet has an empty catalog.
        """
        return self._ledger.read(model, known)

    def whole_catalog(self, model: str) -> Catalog:
        """Return the catalog with every version and event in it, however old.

        Reads the pages of a long catalog one by one; ordinary ones have none.
        """
        return self._ledger.whole(self._ledger.read(model))

    def entry(self, model: str, version: int) -> VersionEntry:
        """Return what the catalog says of the version, however old it is; raises NotFound."""
        return self._ledger.entry(model, version)

    def manifest(self, model: str, version: int) -> Manifest:
        """Return the manifest; raises NotFound, or Corrupt where it isn't the published one."""
        return self._verified_manifest(model, self._ledger.entry(model, version))[0]

    def publish(
        self,
        model: str,
        folder: Path,
        *,
        signature: Signature,
        metrics: Mapping[str, Mapping[str, float]],
        lineage: Lineage,
        self_test: SelfTest | msgspec.UnsetType = msgspec.UNSET,
        progress: Progress | None = None,
        gate: float | None = POINTS,
        say: Say | None = None,
    ) -> Manifest:
        """Publish the folder under the next number and return the new version's manifest.

        The folder holds `saved_model.pb` and `variables/` or a `model.onnx`, and `classes.json`, a
        list of objects with `wnid` and `label`, as many as an output of the signature has values;
        regular files only. `metrics` is keyed by file; `top1` and the like are from 0 to 1. With a
        `self_test`, services serve the version only if it answers the same images the same way.
        The version becomes visible in one step after every byte is stored; whatever fails before
        leaves nothing that readers see. Raises InvalidVersion for what can't be true.

        `gate` is by how many points of top-1, of 100, it may be worse than the version labelled
        `production`, None for any. One that is worse raises Conflict, before anything is uploaded.
        Compared is `model.onnx`, else any file with a top-1 in both, and only where both were
        measured on the same data; `say` gets one line that tells what was compared, or why not.
        """
        return self._publisher.publish(
            check_model(model),
            folder,
            signature=signature,
            metrics=metrics,
            lineage=lineage,
            self_test=self_test,
            progress=progress,
            allowed_loss=gate,
            say=say or _say_nothing,
        )

    def pull(
        self,
        model: str,
        version: int,
        destination: Path,
        *,
        files: Collection[str] | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Bring the version, or some of its files, to `destination` and return that.

        Every byte is verified; `destination` appears whole or not at all, with manifest.json in
        it. One that is there already and is right costs no download. A pull that broke off is
        resumed by the same call. Raises Conflict where something else is at `destination`, Corrupt
        where the shelf has lost or changed a file, NotFound where the version was deleted.
        """
        entry = self._ledger.entry(model, version)
        try:
            manifest, data = self._verified_manifest(model, entry)
            return self._puller.pull(manifest, data, destination, files=files, progress=progress)
        except Corrupt:
            self._ledger.entry(model, version)  # files go too when somebody deletes the version
            raise

    def label(
        self,
        model: str,
        label: str,
        version: int,
        *,
        seen: Catalog | None = None,
        by: str | None = None,
    ) -> Catalog:
        """Point the label at the version and return the catalog after that.

        `seen` is the catalog that the decision was made on, the newest one by default. Raises
        Conflict, saying who moved the label, where it has moved since; both stand in the history.
        `by` is who the history is to name, this process's user by default.
        """
        return self._labels.move(check_model(model), label, version, seen=seen, by=by)

    def unlabel(
        self, model: str, label: str, *, seen: Catalog | None = None, by: str | None = None
    ) -> Catalog:
        """Remove the label and return the catalog after that; `seen` and `by` as in `label`."""
        return self._labels.move(check_model(model), label, None, seen=seen, by=by)

    def rollback(
        self, model: str, label: str, *, seen: Catalog | None = None, by: str | None = None
    ) -> Catalog:
        """Undo the label's last move and return the catalog after that; `seen`, `by` as in `label`.

        Once more undoes the move before. Raises NotFound where there never was such a label,
        Conflict where nothing is left to undo or the version to go back to was deleted.
        """
        return self._labels.roll_back(check_model(model), label, seen=seen, by=by)

    def set_weights(
        self,
        model: str,
        weights: Mapping[int, int],
        *,
        seen: Catalog | None = None,
        by: str | None = None,
    ) -> Catalog:
        """Have services share requests that name no version out by weight; `{}` ends that.

        Weights are relative to their sum. Returns the catalog after that; `seen` and `by` as in
        `label`. Raises NotFound, InvalidTraffic, or Conflict, saying who changed them meanwhile.
        """
        before = (seen or self._ledger.read(check_model(model))).weights
        at, by = identity.rfc3339(self._now()), by or self._who()
        return self._ledger.contest(
            model,
            lambda catalog: weigh(catalog, weights, seen=before, at=at, by=by),
            lambda catalog: note_refused_weights(catalog, weights, seen=before, at=at, by=by),
        )

    def load(self, model: str, version: int, *, by: str | None = None) -> Catalog:
        """Have services load the version beside those that they choose; `by` as in `label`."""
        at, by = identity.rfc3339(self._now()), by or self._who()
        return self._ledger.change(
            check_model(model), lambda catalog: load(catalog, version, at=at, by=by)
        )

    def unload(self, model: str, version: int, *, by: str | None = None) -> Catalog:
        """Have services not choose the version any more, until it is loaded, labelled or weighted.

        Raises Conflict while a label or a weight names it; `by` as in `label`.
        """
        at, by = identity.rfc3339(self._now()), by or self._who()
        return self._ledger.change(
            check_model(model), lambda catalog: unload(catalog, version, at=at, by=by)
        )

    def delete(self, model: str, version: int) -> Catalog:
        """Delete the version for good; raise Conflict while a label or a weight names it."""
        at, by = identity.rfc3339(self._now()), self._who()
        self._ledger.change(
            check_model(model), lambda catalog: doom(catalog, version, at=at, by=by)
        )
        self._collector.bury(model, [version])
        return self._ledger.read(model)

    def gc(
        self, model: str, *, older_than: timedelta = GARBAGE_AGE, dry_run: bool = False
    ) -> Garbage:
        """Remove what no catalog names and is older; return what was, or would be, removed."""
        return self._collector.collect(check_model(model), older_than=older_than, dry_run=dry_run)

    def verify(
        self, model: str, version: int, *, progress: Progress | None = None
    ) -> tuple[Damage, ...]:
        """Read every byte of the version on the shelf; return what is damaged, () if nothing."""
        catalog = self._ledger.read(model)
        try:
            entry = self._ledger.find(catalog, version)
        except Corrupt as error:
            return (Damage(CATALOG, str(error)),)
        try:
            manifest, _ = self._verified_manifest(model, entry)
        except (Corrupt, InvalidName) as error:
            return (Damage(MANIFEST, str(error)),)
        return self._verifier.verify(manifest, progress)

    def check_writable(self, model: str) -> None:
        """Return if the model could be published now; raise Denied or Unreachable otherwise.

        Leaves nothing behind. Training asks before it works for hours.
        """
        self._backend.probe(check_model(model))

    def _verified_manifest(self, model: str, entry: VersionEntry) -> tuple[Manifest, bytes]:
        key = file_key(model, entry.version, MANIFEST)
        where = f"{self.url}/{key}"
        try:
            blob = self._backend.read(key)
        except NotFound as error:
            raise Corrupt(f"{where} is gone although the catalog names it; publish anew") from error
        assert blob is not None  # noqa: S101 - an unconditional read has no "unchanged"
        manifest = decode_manifest(blob.data, sha256=entry.manifest_sha256, where=where)
        if (manifest.model, manifest.version) != (model, entry.version):
            raise Corrupt(f"{where} is of {manifest.model} {manifest.version}; publish anew")
        return manifest, blob.data
