"""What the commands do that tell services how to share requests out and what to load."""

from __future__ import annotations

import argparse

from model_store.catalog import Catalog
from model_store.console import Console
from model_store.errors import InvalidTraffic
from model_store.store import ModelStore


def weights(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Set, remove or show the weights."""
    before = store.catalog(args.model)
    after = before
    if args.weights or args.clear:
        wanted = dict(_weight(before, text) for text in args.weights)
        if len(wanted) < len(args.weights):
            raise InvalidTraffic("a version has two weights; give each version once")
        after = store.set_weights(args.model, wanted, seen=before)
    if args.json:
        console.json(
            {"model": args.model, "before": _plain(before.weights), "after": _plain(after.weights)}
        )
    elif after is before:
        console.say(f"{args.model}: {before.shares}")
    else:
        console.say(f"{args.model}: {before.shares} → {after.shares}")
    return 0


def _weight(catalog: Catalog, text: str) -> tuple[int, int]:
    version, equals, weight = text.partition("=")
    if not equals or not (weight.isascii() and weight.isdigit()):
        raise InvalidTraffic(f"{text!r} is no weight; write VERSION=NUMBER, such as 7=10")
    return catalog.resolve(version), int(weight[:9])


def _plain(weights: dict[int, int]) -> dict[str, int]:
    return {str(version): weight for version, weight in weights.items()}


def load(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Have services load a version."""
    version = store.catalog(args.model).resolve(args.version)
    return _tell(args, console, store.load(args.model, version), version)


def unload(args: argparse.Namespace, store: ModelStore, console: Console) -> int:
    """Have services not choose a version any more."""
    version = store.catalog(args.model).resolve(args.version)
    return _tell(args, console, store.unload(args.model, version), version)


def _tell(args: argparse.Namespace, console: Console, after: Catalog, version: int) -> int:
    if args.json:
        console.json({"model": args.model, "loaded": after.loaded, "unloaded": after.unloaded})
    else:
        what = "loaded" if version in after.loaded else "unloaded"
        console.say(f"{args.model} {version}: {what} wherever services follow this store")
    return 0
