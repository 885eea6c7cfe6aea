"""What the commands do that only read; each returns its exit code."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

from model_store import tables
from model_store.catalog import Catalog, Event, VersionEntry, shares
from model_store.completion import script
from model_store.console import Console
from model_store.diff import compare
from model_store.errors import StoreError
from model_store.manifest import Manifest
from model_store.store import ModelStore

Command = Callable[[argparse.Namespace, ModelStore, Console], int]

LISTED_VERSIONS = 20
CORRUPT_EXIT_CODE = 5


def list_versions(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print the versions, newest first."""
    catalog = store.whole_catalog(args.model) if args.all else store.catalog(args.model)
    shown = catalog.versions if args.all else catalog.versions[-LISTED_VERSIONS:]
    if args.json:
        console.json(
            {
                "model": catalog.model,
                "next_version": catalog.next_version,
                "labels": catalog.labels,
                "versions": [_entry(catalog, entry) for entry in reversed(shown)],
            }
        )
        return 0
    if not shown:
        console.say(f"{store.url} has no version of {catalog.model} yet")
        return 0
    rows = [
        (
            entry.version,
            tables.minute(entry.published_at),
            entry.published_by,
            tables.size(entry.size_bytes),
            " ".join(catalog.labels_of(entry.version)),
        )
        for entry in reversed(shown)
    ]
    console.say(tables.table(("VERSION", "PUBLISHED (UTC)", "BY", "SIZE", "LABELS"), rows))
    hidden = len(catalog.numbers) - len(shown)
    if hidden:
        console.say(f"… and {hidden} older ones; --all shows them")
    return 0


def _entry(catalog: Catalog, entry: VersionEntry) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(entry)
    return {**plain, "labels": list(catalog.labels_of(entry.version))}


def show(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print one version's manifest."""
    catalog = store.catalog(args.model)
    manifest = store.manifest(args.model, catalog.resolve(args.version))
    if args.json:
        console.json(manifest)
        return 0
    labels = ", ".join(catalog.labels_of(manifest.version)) or "no label"
    console.say(tables.plain(f"{manifest.model} {manifest.version} ({labels})"))
    console.say(tables.plain(f"published {manifest.published_at} by {manifest.published_by}"))
    console.say("\n" + _files_and_metrics(manifest))
    signature = manifest.signature
    tensors = [("in", each) for each in signature.inputs]
    tensors += [("out", each) for each in signature.outputs]
    rows = [(way, each.name, each.dtype, tables.shape(each.shape)) for way, each in tensors]
    console.say("\n" + tables.table((signature.name.upper(), "NAME", "TYPE", "SHAPE"), rows))
    lineage: dict[str, Any] = msgspec.to_builtins(manifest.lineage)
    hyperparameters = lineage.pop("hyperparameters")
    facts = [*lineage.items(), *((f"  {name}", value) for name, value in hyperparameters.items())]
    console.say("\n" + tables.table(("LINEAGE", ""), facts))
    return 0


def _files_and_metrics(manifest: Manifest) -> str:
    names = sorted({name for values in manifest.metrics.values() for name in values})
    rows = []
    for entry in manifest.files:
        values = manifest.metrics.get(entry.name, {})
        metrics = [values.get(name, "") for name in names]
        rows.append((entry.name, tables.size(entry.size), entry.sha256[:12], *metrics))
    return tables.table(("FILE", "SIZE", "SHA-256", *names), rows)


def latest(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print the newest version's number."""
    catalog = store.catalog(args.model)
    version = catalog.resolve("latest") if not catalog.latest else catalog.latest.version
    if args.json:
        console.json(_entry(catalog, catalog.find(version)))
    else:
        console.say(str(version))
    return 0


def history(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print the catalog's events, oldest first."""
    events = store.whole_catalog(args.model).history
    if args.json:
        console.json(list(events))
        return 0
    rows = [(each.at, each.by, each.action, each.label, *_from_to(each)) for each in events]
    console.say(tables.table(("AT", "BY", "WHAT", "LABEL", "FROM", "TO"), rows))
    return 0


def _from_to(event: Event) -> tuple[object, object]:
    if event.weights_before or event.weights_after:
        return shares(event.weights_before), shares(event.weights_after)
    return event.before, event.after


def diff(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print two versions side by side."""
    catalog = store.catalog(args.model)
    left, right = (catalog.resolve(text) for text in (args.left, args.right))
    rows = compare(store.manifest(args.model, left), store.manifest(args.model, right))
    if args.json:
        console.json(list(rows))
        return 0
    head = ("", f"{args.model} {left}", f"{args.model} {right}", "CHANGE")
    body = [(row.what, row.left, row.right, row.change or "") for row in rows]
    console.say(tables.table(head, body))
    return 0


def watch(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Print each change of the catalog; a store that is away is told of once."""
    known, seen, away = store.catalog(args.model), 0, False
    console.say(f"watching {store.url} {args.model}", error=True)
    while args.changes is None or seen < args.changes:
        # Uneven pauses keep a fleet of watchers from asking all at once.
        time.sleep(args.every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311
        try:
            catalog = store.catalog(args.model, known=known)
        except StoreError as error:
            if not away:
                console.say(tables.plain(error), error=True)
            away = True
            continue
        away = False
        if catalog is known:
            continue
        for change in _changes(known, catalog):
            seen += 1
            if args.json:
                console.json(change, indent=False)
            else:
                console.say(tables.plain(change["text"]))
        known = catalog
    return 0


def _changes(before: Catalog, after: Catalog) -> list[dict[str, str]]:
    changes = [
        {
            "at": entry.published_at,
            "text": f"{entry.published_at} {entry.published_by} published {entry.version}",
        }
        for entry in after.versions
        if not before.exists(entry.version)
    ]
    for event in after.history[max(0, before.event_count - after.archived_events) :]:
        origin, target = _from_to(event)
        what = f"{event.action} {event.label or ''} {origin or '–'} → {target or '–'}"
        changes.append({"at": event.at, "text": f"{event.at} {event.by} {what}"})
    return sorted(changes, key=lambda change: change["at"])


def pull(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Bring a version into a folder."""
    version = store.catalog(args.model).resolve(args.version)
    with console.progress() as progress:
        place = store.pull(
            args.model, version, args.destination, files=args.files, progress=progress
        )
    if args.json:
        console.json({"model": args.model, "version": version, "folder": str(place)})
    else:
        console.say(str(place))
    return 0


def verify(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Check versions on the shelf; the exit code tells of damage."""
    catalog = store.catalog(args.model)
    versions = [catalog.resolve(text) for text in args.versions] or list(catalog.numbers)
    report: dict[int, list[dict[str, str]]] = {}
    for version in versions:
        with console.progress() as progress:
            damage = store.verify(args.model, version, progress=progress)
        report[version] = [asdict(each) for each in damage]
        if not args.json:
            console.say(
                f"{args.model} {version}: " + ("damaged" if damage else "every byte is right")
            )
            for each in damage:
                console.say(tables.plain(f"  {each.file}: {each.reason}"))
    if args.json:
        console.json({"model": args.model, "damage": report})
    return CORRUPT_EXIT_CODE if any(report.values()) else 0


def completion(args: argparse.Namespace, console: Console) -> int:
    """Print a completion script."""
    console.say(script(args.shell))
    return 0
