"""Removes what no catalog names: leftovers of crashes and of deletions.

A folder whose number is neither a version nor reserved can never become a version, because
`commit` wants the reservation. So `gc` first takes old reservations back by compare-and-swap, and
removes files only after that: a publisher that was merely slow is then refused at its commit and
never ends up with a version whose files are gone.

Pages of catalogs are safe for the same reason. Each is named once, by the change that wrote it, so
`gc` lists the pages first, then swaps the catalog, and removes what was listed and the swapped
catalog doesn't name: a change that was on its way fails and writes new pages under new names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from model_store.backends.base import Backend, Stored
from model_store.catalog import Catalog
from model_store.identity import parse_rfc3339
from model_store.layout import (
    STAGE_PREFIX,
    TEMPORARY_PREFIX,
    PageKind,
    parse_page,
    version_of,
)
from model_store.ledger import Ledger
from model_store.transitions import bury, reclaim, sweep

_STAGED = re.compile(re.escape(STAGE_PREFIX) + r"([1-9][0-9]*)-[0-9a-f]+")
_STAGED_PAGE = re.compile(
    re.escape(STAGE_PREFIX) + r"_(versions|events)-[1-9][0-9]*-[0-9a-f]+-[0-9a-f]+"
)


@dataclass(frozen=True, slots=True)
class Orphan:
    """One folder or file that no catalog names."""

    prefix: str
    version: int | None
    files: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """What `gc` removes and which reserved numbers it takes back; `kept` is what it leaves."""

    orphans: tuple[Orphan, ...] = ()
    reclaimed: tuple[int, ...] = ()
    kept: tuple[Orphan, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The size of everything that is removed."""
        return sum(orphan.size_bytes for orphan in self.orphans)


class Collector:
    """Collects the garbage of one store."""

    def __init__(self, backend: Backend, ledger: Ledger, *, now: Callable[[], datetime]) -> None:
        self._backend = backend
        self._ledger = ledger
        self._now = now

    def collect(self, model: str, *, older_than: timedelta, dry_run: bool) -> Garbage:
        """Remove what no catalog names and is older; return what was, or would be, removed."""
        old = self._now() - older_than
        catalog = planned_on = self._ledger.read(model)
        groups = _group(self._backend.list(model), model)
        plan = find_garbage(catalog, groups, old=old)
        if dry_run:
            return plan
        # On a full disk the catalog can't be written before some files are gone.
        self._remove(each for each in plan.orphans if _is_lost(each, plan))
        tokens = frozenset(
            entry.token for entry in catalog.reservations if entry.version in plan.reclaimed
        )
        if any(_page(orphan.prefix) for orphan in plan.orphans):
            catalog = self._ledger.change(model, sweep)
        if tokens:
            catalog = self._ledger.change(model, lambda newest: reclaim(newest, tokens))
        if catalog is not planned_on:
            # What was committed or named at the last moment is so now.
            found = find_garbage(catalog, groups, old=old)
            plan = Garbage(found.orphans, plan.reclaimed, found.kept)
        self._remove(plan.orphans)
        self.bury(model, catalog.doomed)
        return plan

    def bury(self, model: str, doomed: Iterable[int]) -> None:
        """Remove the files of versions that were deleted, and then all memory of them."""
        versions = frozenset(doomed)
        if not versions:
            return
        for version in sorted(versions):
            self._backend.remove(f"{model}/{version}")
        self._ledger.change(model, lambda catalog: bury(catalog, versions))

    def _remove(self, orphans: Iterable[Orphan]) -> None:
        for orphan in orphans:
            self._backend.remove(orphan.prefix)


def find_garbage(catalog: Catalog, groups: dict[str, list[Stored]], *, old: datetime) -> Garbage:
    """Decide what goes: whatever was last changed before `old` and can't become a version."""
    young = {
        prefix
        for prefix, members in groups.items()
        if any(member.modified_at >= old for member in members)
    }
    busy = {_number(prefix) for prefix in young}
    stale = {
        entry.version
        for entry in catalog.reservations
        if parse_rfc3339(entry.at) < old and entry.version not in busy
    }
    reserved = {entry.version: entry for entry in catalog.reservations}
    published = frozenset(catalog.numbers)
    named = {page.name for page in catalog.version_pages}
    named |= {page.name for page in catalog.event_pages}
    orphans: list[Orphan] = []
    kept: list[Orphan] = []
    for prefix, members in sorted(groups.items()):
        number = _number(prefix)
        final = _is_final(prefix)
        reason, goes = "never committed", prefix not in young
        if (number in published and final) or prefix.partition("/")[2] in named:
            continue
        if _is_ahead(prefix, catalog):
            reason, goes = "a newer catalog's page; was an old catalog restored?", False
        elif number in reserved and number not in stale:
            reason, goes = f"being published by {reserved[number].by}", False
        elif number in catalog.doomed:
            reason, goes = "its deletion was interrupted", True
        elif final and (number or 0) >= catalog.next_version:
            reason, goes = "its number was never handed out; was an old catalog restored?", False
        elif not goes:
            reason = "never committed, but too young"
        size_bytes = sum(member.size for member in members)
        orphan = Orphan(prefix, number, len(members), size_bytes, reason)
        (orphans if goes else kept).append(orphan)
    return Garbage(tuple(orphans), tuple(sorted(stale)), tuple(kept))


def _group(stored: Iterable[Stored], model: str) -> dict[str, list[Stored]]:
    """Return what is stored by version folder or working file; what isn't ours is left out."""
    groups: dict[str, list[Stored]] = {}
    for each in stored:
        prefix = "/".join(each.key.split("/")[:2])
        name = prefix.partition("/")[2]
        if (
            version_of(prefix + "/", model)
            or _STAGED.fullmatch(name)
            or _STAGED_PAGE.fullmatch(name)
            or parse_page(name)
            or name.startswith(TEMPORARY_PREFIX)
        ):
            groups.setdefault(prefix, []).append(each)
    return groups


def _is_final(prefix: str) -> bool:
    return prefix.rpartition("/")[2].isdigit()


def _is_lost(orphan: Orphan, plan: Garbage) -> bool:
    """Tell whether no publisher can make a version of it; without its stage, none can seal."""
    staged = _STAGED.fullmatch(orphan.prefix.rpartition("/")[2])
    return staged is not None or (_is_final(orphan.prefix) and orphan.version not in plan.reclaimed)


def _number(prefix: str) -> int | None:
    name = prefix.partition("/")[2]
    staged = _STAGED.fullmatch(name)
    if staged:
        return int(staged[1])
    return int(name) if name.isdigit() else None


def _page(prefix: str) -> tuple[PageKind, int] | None:
    return parse_page(prefix.partition("/")[2])


def _is_ahead(prefix: str, catalog: Catalog) -> bool:
    """Tell whether the page belongs to a catalog that is newer than this one."""
    page = _page(prefix)
    if page is None:
        return False
    kind, reached = page
    return reached > (catalog.next_version if kind == "versions" else catalog.event_count)
