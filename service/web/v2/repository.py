"""The model repository extension: what is on the shelf here, load and unload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from service.changes import LoadVersion, Reload, UnloadVersion
from service.errors import ChangeConflict, InvalidRequest
from service.ipc.messages import EngineState, VersionStatus
from service.web.engine import Engine
from service.web.json_body import decode_json

# Triton's names for TensorFlow Serving's states.
STATES = {
    "START": "LOADING",
    "LOADING": "LOADING",
    "AVAILABLE": "READY",
    "UNLOADING": "UNLOADING",
    "END": "UNAVAILABLE",
}


_LOOK_EVERY_S = 0.05


class _Index(msgspec.Struct):
    ready: bool = False


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, lt=10**18)] | msgspec.UnsetType = msgspec.UNSET
    unload_dependents: bool = False


class _Control(msgspec.Struct):
    parameters: _Parameters | None = None


_decode_index = msgspec.json.Decoder(_Index).decode
_decode_control = msgspec.json.Decoder(_Control).decode


def index(body: bytes, model: str, state: EngineState) -> list[dict[str, Any]]:
    """Return every version with its state, or only those that are ready if the body asks so."""
    only_ready = decode_json(_decode_index, body or b"{}").ready
    entries = [_entry(model, each) for each in state.versions]
    return [each for each in entries if each["state"] == "READY" or not only_ready]


def read_load(body: bytes) -> LoadVersion | Reload:
    """Return the change: load `parameters.version`, or look at the store again."""
    version = _parameters(body).version
    return LoadVersion(version) if isinstance(version, int) else Reload()


def load(engine: Engine, change: LoadVersion | Reload, *, by: str) -> None:
    """Carry the change out and wait until what it has loaded is loaded, as Triton does.

    Raises ChangeConflict where the version that it names can't be served, DeadlineExceeded when the
    request's time is over before it is loaded; loading goes on then.
    """
    failures = {each.version: each.failures for each in engine.state().versions}
    engine.administer(change, by=by)
    while not _is_loaded(engine.state(), change, failures):
        engine.pause(_LOOK_EVERY_S)


def _is_loaded(
    state: EngineState, change: LoadVersion | Reload, failures: Mapping[int, int]
) -> bool:
    if isinstance(change, Reload):
        return all(each.state not in ("START", "LOADING") for each in state.versions)
    for each in state.versions:
        if each.version == change.version:
            if each.failures > failures.get(each.version, 0):
                raise ChangeConflict(f"version {each.version} can't be served: {each.error}")
            return each.state == "AVAILABLE"
    return False


def read_unload(body: bytes) -> UnloadVersion:
    """Return the change: unload `parameters.version`, which has to be named."""
    version = _parameters(body).version
    if not isinstance(version, int):
        raise InvalidRequest(
            "the one model of this service isn't unloaded as a whole; name a version:"
            ' {"parameters": {"version": 7}}'
        )
    return UnloadVersion(version)


def _parameters(body: bytes) -> _Parameters:
    return decode_json(_decode_control, body or b"{}").parameters or _Parameters()


def _entry(model: str, version: VersionStatus) -> dict[str, Any]:
    state = STATES.get(version.state, "UNKNOWN")
    reason = version.error or ("unloaded" if version.state == "END" else "")
    return {"name": model, "version": str(version.version), "state": state, "reason": reason}
