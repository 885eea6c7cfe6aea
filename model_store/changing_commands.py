"""What the commands do that change the shelf; each returns its exit code."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from model_store import tables
from model_store.arguments import CONVERT_OPTIONS
from model_store.catalog import Catalog
from model_store.console import Console
from model_store.conversion import converted
from model_store.errors import InvalidVersion, StoreError
from model_store.json_errors import JSON_ERRORS
from model_store.manifest import FileEntry, Lineage, Manifest, SelfTest, Signature
from model_store.names import check_file, check_label
from model_store.os_errors import os_edge
from model_store.store import ModelStore

REFUSED_EXIT_CODE = 2

_Fact = TypeVar("_Fact")


class Data(msgspec.Struct, frozen=True):
    """What `publish --data` reads; a manifest.json has these keys among others.

    `files` are those of the version that a manifest is of, of which the folder may have a part.
    """

    signature: Signature
    metrics: dict[str, dict[str, float]]
    lineage: Lineage
    self_test: SelfTest | msgspec.UnsetType = msgspec.UNSET
    files: tuple[FileEntry, ...] = ()

    def of_part(self, folder: Path) -> Data:
        """Return what it says of the files that were brought to the folder."""
        names = [check_file(file.name) for file in self.files]
        with os_edge("reading", folder):
            left_out = {name for name in names if not (folder / name).exists()}
        tested = self.self_test
        if isinstance(tested, SelfTest):
            tested = msgspec.structs.replace(tested, answers=_without(left_out, tested.answers))
        metrics = _without(left_out, self.metrics)
        return msgspec.structs.replace(self, metrics=metrics, self_test=tested)


def _without(names: Collection[str], facts: Mapping[str, _Fact]) -> dict[str, _Fact]:
    return {name: fact for name, fact in facts.items() if name not in names}


def publish(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Publish a folder, converted first where that is asked for, and label it."""
    if args.label is not None:
        check_label(args.label)
    options = _convert_options(args)
    if args.classes is None:
        if options:
            raise InvalidVersion(f"{options[0]} is for --classes; --data takes FOLDER as it is")
        manifest = _publish(args, store, console, folder=args.folder, data=args.data)
    else:
        store.check_writable(args.model)
        options = ["--classes", str(args.classes), *options]
        with converted(
            args.folder, options, say=lambda line: console.say(line, error=True)
        ) as ready:
            manifest = _publish(args, store, console, folder=ready.folder, data=ready.data)
    if args.label:
        _label(args, store, manifest.version)
    if args.json:
        console.json(manifest)
    else:
        label = f", labelled {args.label}" if args.label else ""
        console.say(f"published {args.model} {manifest.version}{label}")
    return 0


def _label(args: argparse.Namespace, store: ModelStore, version: int) -> None:
    """Point the label at what was just published; an error tells that it is published."""
    try:
        store.label(args.model, args.label, version)
    except StoreError as error:
        raise type(error)(
            f"published {args.model} {version}, but it isn't labelled {args.label}: {error}; label"
            f" it with: python -m model_store label {args.label} {version} --model {args.model}"
            f" --store {store.url}"
        ) from error


def _convert_options(args: argparse.Namespace) -> list[str]:
    given = []
    for option, _, _ in CONVERT_OPTIONS:
        value = getattr(args, option.removeprefix("--").replace("-", "_"))
        given += [] if value is None else [option, value]
    return given


def _publish(
    args: argparse.Namespace, store: ModelStore, console: Console, *, folder: Path, data: Path
) -> Manifest:
    with os_edge("reading", data):
        text = data.read_bytes()
    try:
        told = msgspec.json.decode(text, type=Data)
    except JSON_ERRORS as error:
        raise InvalidVersion(f"{data}: {error}") from error
    facts = told.of_part(folder)
    compared: list[str] = []
    with console.progress() as progress:
        manifest = store.publish(
            args.model,
            folder,
            signature=facts.signature,
            metrics=facts.metrics,
            lineage=facts.lineage,
            self_test=facts.self_test,
            progress=progress,
            gate=None if args.allow_worse else args.gate,
            say=compared.append,
        )
    for line in compared:
        console.say(line, error=True)
    return manifest


def label(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Point a label at a version."""
    catalog = store.catalog(args.model)
    version = catalog.resolve(args.version)
    seen = catalog
    if args.expected is not None:
        labels = {name: at for name, at in catalog.labels.items() if name != args.label}
        if args.expected != "none":
            labels[args.label] = catalog.resolve(args.expected)
        seen = replace(catalog, labels=labels)
    after = store.label(args.model, args.label, version, seen=seen)
    return _tell(args, console, catalog, after)


def unlabel(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Remove a label."""
    catalog = store.catalog(args.model)
    return _tell(args, console, catalog, store.unlabel(args.model, args.label, seen=catalog))


def rollback(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Undo a label's last move."""
    catalog = store.catalog(args.model)
    return _tell(args, console, catalog, store.rollback(args.model, args.label, seen=catalog))


def _tell(args: argparse.Namespace, console: Console, before: Catalog, after: Catalog) -> int:
    left, right = (catalog.labels.get(args.label) for catalog in (before, after))
    if args.json:
        console.json({"model": args.model, "label": args.label, "before": left, "after": right})
    else:
        console.say(f"{args.model}: {args.label} {left or '–'} → {right or '–'}")
    return 0


def delete(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Delete a version after asking."""
    version = store.catalog(args.model).resolve(args.version)
    question = f"Delete {args.model} {version} from {store.url} for good?"
    if not args.yes and not console.confirm(question):
        return REFUSED_EXIT_CODE
    store.delete(args.model, version)
    if args.json:
        console.json({"model": args.model, "deleted": version})
    else:
        console.say(f"deleted {args.model} {version}")
    return 0


def gc(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Remove orphans after asking."""
    garbage = store.gc(args.model, older_than=args.older_than, dry_run=True)
    if not args.json:
        rows = [
            (each.prefix, each.files, tables.size(each.size_bytes), what, each.reason)
            for what, group in (("remove", garbage.orphans), ("keep", garbage.kept))
            for each in group
        ]
        if rows:
            console.say(tables.table(("WHERE", "FILES", "SIZE", "WHAT", "WHY"), rows))
    if not args.dry_run and (garbage.orphans or garbage.reclaimed):
        question = f"Remove {len(garbage.orphans)} orphans from {store.url} for good?"
        if not args.yes and not console.confirm(question):
            return REFUSED_EXIT_CODE
        garbage = store.gc(args.model, older_than=args.older_than)
    if args.json:
        console.json({"dry_run": args.dry_run, **asdict(garbage)})
    else:
        verb = "would remove" if args.dry_run else "removed"
        console.say(f"{verb} {len(garbage.orphans)} orphans, {tables.size(garbage.size_bytes)}")
    return 0
