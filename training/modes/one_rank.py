"""What a mode does where one process alone has the data and writes files: it meets nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from training.evaluation.evaluate import Counts
from training.memory import Memory

_T = TypeVar("_T")


class OneRank:
    """That part of a `training.modes.base.Mode`."""

    index = 0
    count = 1
    parts = 1
    writes_files = True
    memory: Memory | None = None

    def average(
        self, gradients: Sequence[Any], others: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return them as they are."""
        return list(gradients), list(others)

    def average_moments(self, moments: Any) -> Any:
        """Return them as they are."""
        return moments

    def total(self, counts: Counts) -> Counts:
        """Return them as they are."""
        return counts

    def agree(self, wish: bool) -> bool:
        """Return the wish."""
        return wish

    def share(self, value: _T) -> _T:
        """Return the value."""
        return value

    def share_variables(self, variables: Sequence[Any]) -> None:
        """Do nothing: nobody else has any."""
