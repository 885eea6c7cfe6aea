"""Administration: labels, weights, rollback, reload, load and unload, for holders of a token.

All of it changes the model's catalog in the store, so that every service that follows it does the
same. Each answer is what the catalog says then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from service.changes import (
    Change,
    LoadVersion,
    MoveLabel,
    Reload,
    RollBack,
    ShareOut,
    ShelfState,
    UnloadVersion,
)
from service.web.access import admin_only, who
from service.web.answers import json_response
from service.web.engine import Engine
from service.web.json_body import decode_json
from service.web.routing import use_names

DEFAULT_LABEL = "production"

# Has the engine carry a change out and answers with what the catalog says then.
CarryOut = Callable[[Change | None], Response]


class LabelBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where a label is to point; `expected`, if given, is where it points now (null: nowhere)."""

    version: int
    expected: int | msgspec.UnsetType | None = msgspec.UNSET


class RollbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which label is to go back."""

    label: str = DEFAULT_LABEL


class WeightsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Shares of the requests that name no version, by version, relative to their sum."""

    weights: dict[int, int]


_decode_label = msgspec.json.Decoder(LabelBody).decode
_decode_rollback = msgspec.json.Decoder(RollbackBody).decode
_decode_weights = msgspec.json.Decoder(WeightsBody).decode


def administration(engine: Engine) -> Blueprint:
    """Return the blueprint of the administrative paths."""
    blueprint = Blueprint("admin", __name__, url_prefix="/admin")
    use_names(blueprint)

    def carry_out(change: Change | None) -> Response:
        return json_response(_state(engine.administer(change, by=who())))

    @blueprint.get("")
    @admin_only
    def state() -> Response:
        """Return labels, weights and what was loaded and unloaded by hand."""
        return carry_out(None)

    @blueprint.get("/history")
    @admin_only
    def history() -> Response:
        """Return the newest events: who did what, when, from and to what; oldest first."""
        return json_response({"history": engine.administer(None, by=who()).history})

    _add_labels(blueprint, carry_out)
    _add_weights(blueprint, carry_out)
    _add_versions(blueprint, carry_out)
    return blueprint


def _add_labels(blueprint: Blueprint, carry_out: CarryOut) -> None:
    @blueprint.put("/labels/<label>")
    @admin_only
    def move(label: str) -> Response:
        """Point a label at a version."""
        body = decode_json(_decode_label, request.get_data(cache=False))
        return carry_out(MoveLabel(label, body.version, body.expected))

    @blueprint.delete("/labels/<label>")
    @admin_only
    def remove(label: str) -> Response:
        """Remove a label; its version stays on the shelf."""
        return carry_out(MoveLabel(label, None))

    @blueprint.post("/rollback")
    @admin_only
    def roll_back() -> Response:
        """Undo a label's last move; once more undoes the one before."""
        body = decode_json(_decode_rollback, request.get_data(cache=False) or b"{}")
        return carry_out(RollBack(body.label))


def _add_weights(blueprint: Blueprint, carry_out: CarryOut) -> None:
    @blueprint.put("/weights")
    @admin_only
    def weigh() -> Response:
        """Share requests that name no version out among versions."""
        body = decode_json(_decode_weights, request.get_data(cache=False))
        return carry_out(ShareOut(body.weights))

    @blueprint.delete("/weights")
    @admin_only
    def send_to_one() -> Response:
        """Send all requests that name no version to the default again."""
        return carry_out(ShareOut({}))


def _add_versions(blueprint: Blueprint, carry_out: CarryOut) -> None:
    @blueprint.post("/reload")
    @admin_only
    def reload() -> Response:
        """Look at the store now, and try versions again that failed."""
        return carry_out(Reload())

    @blueprint.post("/versions/<version:version>/load")
    @admin_only
    def load(version: int) -> Response:
        """Have a version loaded beside those that are chosen."""
        return carry_out(LoadVersion(version))

    @blueprint.post("/versions/<version:version>/unload")
    @admin_only
    def unload(version: int) -> Response:
        """Have a version not chosen any more."""
        return carry_out(UnloadVersion(version))


def _state(state: ShelfState) -> dict[str, Any]:
    return {
        "labels": state.labels,
        "weights": state.weights,
        "loaded": state.loaded,
        "unloaded": state.unloaded,
    }
