"""What an operator may ask the service to change, and what comes of it.

All but `Reload` change the model's catalog in the store, by compare-and-swap, so that every service
that follows the same catalog does the same; each is recorded there with who asked for it.
"""

from __future__ import annotations

import msgspec


class MoveLabel(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Point the label at the version, None to remove it.

    With `expected` the label moves only if it points there (None: nowhere) at that moment.
    """

    label: str
    version: int | None
    expected: int | msgspec.UnsetType | None = msgspec.UNSET


class RollBack(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Undo the last move of a label."""

    label: str


class ShareOut(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Share requests that name no version out among versions; empty: all go to the default."""

    weights: dict[int, int]


class LoadVersion(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Have the version loaded whatever else is wanted, until it is unloaded."""

    version: int


class UnloadVersion(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Have the version not served although it is one of the newest, until it is loaded."""

    version: int


class Reload(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Look at the store now, and try versions again that failed; changes no catalog."""


Change = MoveLabel | RollBack | ShareOut | LoadVersion | UnloadVersion | Reload


class PastEvent(msgspec.Struct, frozen=True):
    """One line of the catalog's history, as `model_store.Event` has it."""

    at: str
    by: str
    action: str
    label: str | None
    before: int | None
    after: int | None
    weights_before: dict[int, int] = {}
    weights_after: dict[int, int] = {}


class ShelfState(msgspec.Struct, frozen=True):
    """What the catalog says after a change: the wishes that the whole fleet follows.

    `loaded` and `unloaded` are versions that somebody loaded or unloaded by hand; `history` is the
    newest events, oldest first.
    """

    labels: dict[str, int]
    weights: dict[int, int]
    loaded: tuple[int, ...]
    unloaded: tuple[int, ...]
    history: tuple[PastEvent, ...]
