"""What a mode decides; everything else is the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from training.evaluate import Counts


class Mode(Protocol):
    """Who holds the variables, how gradients meet, and who writes files.

    `index` of `count` is this process's share of the data.
    """

    name: str
    index: int
    count: int

    @property
    def writes_files(self) -> bool:
        """Whether this process writes checkpoints, metrics and the export."""
        ...

    def build(self, make: Callable[[], Any]) -> Any:
        """Return what `make` returns, its variables placed where the mode wants them."""
        ...

    def reduce_gradients(self, gradients: list[Any]) -> list[Any]:
        """Return the gradients averaged over all ranks; called while the step is traced."""
        ...

    def total(self, counts: Counts) -> Counts:
        """Return the sum of all ranks' counts."""
        ...
