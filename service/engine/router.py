"""Finds the version that answers a request, whichever way the request names it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from service import metrics
from service.engine.routes import Routes, next_routes
from service.engine.split import Split
from service.engine.wanted import Wanted
from service.errors import NotReady, VersionNotFound
from service.reference import VersionRef

log = logging.getLogger(__name__)


class Router:
    """Follows what is wanted and what is available; not for several threads at once."""

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.routes = Routes()
        self._split = Split()
        self._available: tuple[int, ...] = ()

    def want(self, wanted: Wanted) -> None:
        """Take what is wanted now."""
        self.wanted = wanted
        self._split.share_out(wanted.weights)
        self._choose()

    def have(self, available: Iterable[int]) -> None:
        """Take which versions can answer now."""
        self._available = tuple(sorted(available))
        self._choose()

    @property
    def labels(self) -> dict[str, int]:
        """Which version answers for each label, or will once something can."""
        return {
            label: self.routes.labels.get(label, target)
            for label, target in self.wanted.labels.items()
        }

    def resolve(self, ref: VersionRef) -> int:
        """Return the version that `ref` names; it may be one that isn't available.

        Raises NotReady while nothing is available that may answer, VersionNotFound for a label
        that nobody set.
        """
        if not self._available:
            raise NotReady("no version of the model is loaded yet")
        if ref.number is not None:
            return ref.number
        if ref.label:
            return self._labelled(ref.label)
        version = self._split.next(self._available) or self.routes.default
        if version is None:
            raise NotReady(f"the default version isn't loaded yet; {self.what_is_available()}")
        return version

    def what_is_available(self) -> str:
        """Say which versions can answer."""
        return "available: " + (", ".join(map(str, self._available)) or "none")

    def _labelled(self, label: str) -> int:
        labels = self.labels
        if label not in labels:
            known = ", ".join(sorted(labels)) or "none"
            raise VersionNotFound(f"there is no label {label!r}; labels: {known}")
        return labels[label]

    def _choose(self) -> None:
        routes = next_routes(self.routes, self.wanted, self._available)
        if routes.default != self.routes.default:
            log.info("requests without a version now go to version %s", routes.default)
            if None not in (self.routes.default, routes.default):
                metrics.SWAPS.inc()
        self.routes = routes
