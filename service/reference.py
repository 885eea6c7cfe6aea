"""How a request names the version it wants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version by its number, by a label, or (neither given) the service's own choice.

    The engine resolves it when the request arrives, so that a label moved meanwhile is honoured.
    """

    number: int | None = None
    label: str = ""

    def __str__(self) -> str:
        if self.number is not None:
            return f"version {self.number}"
        return f"label {self.label!r}" if self.label else "the default version"


DEFAULT = VersionRef()
