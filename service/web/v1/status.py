"""The states of versions, as TensorFlow Serving reports them."""

from __future__ import annotations

from typing import Any

from service.ipc.messages import EngineState, VersionStatus


def all_versions(model: str, state: EngineState) -> dict[str, Any]:
    """Return every version's status; KServe's V1 protocol asks here for `name` and `ready`."""
    return {
        "model_version_status": [_status(each) for each in state.versions],
        "name": model,
        "ready": state.default is not None,
    }


def one_version(version: VersionStatus) -> dict[str, Any]:
    """Return one version's status in the same shape."""
    return {"model_version_status": [_status(version)]}


def _status(version: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(version.version),
        "state": version.state,
        "status": {
            "error_code": "UNKNOWN" if version.error else "OK",
            "error_message": version.error,
        },
    }
