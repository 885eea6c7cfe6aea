"""Paths that name a model's version: by number, by label, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.web.openapi.parts import Json, label_parameter, parameter, version_parameter


def model_parameter(model: str) -> Json:
    """Return the model's name in a path; this service serves one."""
    return parameter("name", "path", {"type": "string", "enum": [model]}, "Name of the model.")


def places(base: str, model: str) -> Iterator[tuple[str, str, tuple[Json, ...]]]:
    """Yield path, ending for the operation's name, and parameters of the three ways."""
    name = model_parameter(model)
    yield f"{base}/{{name}}", "", (name,)
    yield f"{base}/{{name}}/versions/{{version}}", "_of_version", (name, version_parameter())
    yield f"{base}/{{name}}/labels/{{label}}", "_of_label", (name, label_parameter())


def at_all_places(
    base: str, model: str, ending: str, verb: str, make: Callable[[str, tuple[Json, ...]], Json]
) -> Json:
    """Return the paths of one operation; `make` gets its name's ending and its parameters."""
    return {
        f"{path}{ending}": {verb: make(suffix, parameters)}
        for path, suffix, parameters in places(base, model)
    }
