"""Moves labels, and tells whoever loses a race who won it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from model_store.catalog import Catalog
from model_store.identity import rfc3339
from model_store.ledger import Ledger
from model_store.names import check_label, check_label_spelling
from model_store.transitions import move_label, note_refusal, roll_back


class Labels:
    """The labels of all models of one store, moved as `who` where nobody else is named."""

    def __init__(
        self, ledger: Ledger, *, who: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._who = who
        self._now = now

    def move(
        self,
        model: str,
        label: str,
        version: int | None,
        *,
        seen: Catalog | None,
        by: str | None = None,
    ) -> Catalog:
        """Point the label at the version, None for nothing; return the catalog after it.

        `seen` is the catalog that led to the decision, the newest one by default. Where the label
        has moved since, the attempt is recorded as refused and Conflict tells who moved it.
        """
        # What an old catalog has of labels that can't be given any more can still be removed.
        check_label_spelling(label) if version is None else check_label(label)
        before = (seen or self._ledger.read(model)).labels.get(label)
        at, by = rfc3339(self._now()), by or self._who()
        return self._ledger.contest(
            model,
            lambda catalog: move_label(catalog, label, version, seen=before, at=at, by=by),
            lambda catalog: note_refusal(catalog, label, version, seen=before, at=at, by=by),
        )

    def roll_back(
        self, model: str, label: str, *, seen: Catalog | None, by: str | None = None
    ) -> Catalog:
        """Undo the label's last move; return the catalog after it.

        Raises NotFound where there never was such a label; `seen` and Conflict as with `move`.
        """
        check_label(label)
        before = (seen or self._ledger.read(model)).labels.get(label)
        at, by = rfc3339(self._now()), by or self._who()
        return self._ledger.contest(
            model,
            lambda catalog: roll_back(catalog, label, seen=before, at=at, by=by),
            lambda catalog: note_refusal(catalog, label, None, seen=before, at=at, by=by),
            whole_history=True,
        )
