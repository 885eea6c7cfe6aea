"""The one model that this service serves, as paths name it."""

from __future__ import annotations

from service.errors import NotReady, VersionNotFound
from service.ipc.messages import EngineState, VersionStatus
from service.reference import VersionRef

INPUT, OUTPUT = "image", "probabilities"


class ModelNotFound(VersionNotFound):
    """The path names a model that this service doesn't serve."""

    code = "model_not_found"


def check_model(name: str, served: str) -> None:
    """Raise ModelNotFound unless the path names the model that is served."""
    if name != served:
        raise ModelNotFound(f"no model {name!r} here; this service serves {served!r}")


def find_version(state: EngineState, ref: VersionRef) -> VersionStatus:
    """Return the version that `ref` names, whatever its state.

    Raises NotReady while no version is known and VersionNotFound when it isn't among them.
    """
    if not state.versions or (ref.number is None and not ref.label and state.default is None):
        raise NotReady(f"no version is being served yet: {state.waiting}")
    number = state.labels.get(ref.label) if ref.label else ref.number or state.default
    for each in state.versions:
        if each.version == number:
            return each
    known = ", ".join(str(each.version) for each in state.versions)
    labels = ", ".join(sorted(state.labels)) or "none"
    raise VersionNotFound(f"{ref} isn't being served; known: {known}; labels: {labels}")
