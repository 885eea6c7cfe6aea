"""One process, one device: it holds the variables and writes all files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from training.evaluation.evaluate import Counts
from training.memory import Memory
from training.modes.one_by_one import OneByOne
from training.step import Update

_T = TypeVar("_T")


class SingleMode:
    """See `training.modes.base.Mode`."""

    name = "single"
    index = 0
    count = 1
    world_size = 1
    writes_files = True
    parts = 1
    memory: Memory | None = None
    shares_variables = False

    def build(self, make: Callable[[], _T]) -> _T:
        """Build in place: TensorFlow's default device is the right one."""
        return make()

    def runner(self, update: Update) -> OneByOne:
        """Return a runner of one step at a time."""
        return OneByOne(update)

    def average(
        self, gradients: Sequence[Any], others: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return them as they are: there is nobody to meet."""
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

    def local(self, model: Any) -> Any:
        """Return the model itself."""
        return model
