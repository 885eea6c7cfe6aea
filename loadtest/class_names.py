"""The classes of each version, in the order of its outputs: versions may differ in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class ClassNames:
    """Names by version, each asked for once; '' stands for the version that answers by default.

    `ask` returns a version's names, or none where it can't be asked any more.
    """

    def __init__(self, ask: Callable[[str], Sequence[str]]) -> None:
        self._ask = ask
        self._names: dict[str, Sequence[str]] = {}

    def __call__(self, version: str) -> Sequence[str]:
        """Return the names of a version's classes; the default one's if they can't be had."""
        if version not in self._names:
            self._names[version] = self._ask(version) or (self("") if version else ())
        return self._names[version]
