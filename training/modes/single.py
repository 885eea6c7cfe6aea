"""One process, one device: it holds the variables and writes all files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from training.modes.one_by_one import OneByOne
from training.modes.one_rank import OneRank
from training.step import Update

_T = TypeVar("_T")


class SingleMode(OneRank):
    """See `training.modes.base.Mode`."""

    name = "single"
    world_size = 1
    shares_variables = False

    def build(self, make: Callable[[], _T]) -> _T:
        """Build in place: TensorFlow's default device is the right one."""
        return make()

    def runner(self, update: Update) -> OneByOne:
        """Return a runner of one step at a time."""
        return OneByOne(update)

    def local(self, model: Any) -> Any:
        """Return the model itself."""
        return model
