"""One process, one device: it holds the variables and writes all files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.evaluate import Counts


class SingleMode:
    """See `training.modes.base.Mode`."""

    name = "single"
    index = 0
    count = 1
    writes_files = True

    def build(self, make: Callable[[], Any]) -> Any:
        """Build in place: TensorFlow's default device is the right one."""
        return make()

    def reduce_gradients(self, gradients: list[Any]) -> list[Any]:
        """Return them as they are: there is nobody to meet."""
        return gradients

    def total(self, counts: Counts) -> Counts:
        """Return them as they are."""
        return counts
