"""What a mode decides; everything else is the same in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from training.evaluation.evaluate import Counts
from training.memory import Memory
from training.step import StepInputs, StepResult, Update

_T = TypeVar("_T")


class Runner(Protocol):
    """Executes steps, in the order they come or several at once."""

    capacity: int
    """How many steps may be in flight; 1 means that each waits for the one before."""

    @property
    def in_flight(self) -> int:
        """The steps submitted whose results haven't been asked for."""
        ...

    def submit(self, inputs: StepInputs) -> None:
        """Begin a step."""
        ...

    def result(self) -> StepResult:
        """Wait for the oldest step in flight and return its result."""
        ...


class Mode(Protocol):
    """Who holds the variables, how gradients meet, and who writes files.

    `index` of `count` is this process's share of each global batch; `world_size` is how many
    devices compute.
    """

    name: str
    index: int
    count: int
    world_size: int
    parts: int
    """Into how many batches of `batch_size` the global batch could be cut."""
    memory: Memory | None
    """What survives the loss of ranks, where the mode survives it."""
    shares_variables: bool
    """Whether several steps change the same variables at the same moment."""

    @property
    def writes_files(self) -> bool:
        """Whether this process writes checkpoints, metrics and the export."""
        ...

    def build(self, make: Callable[[], _T]) -> _T:
        """Return what `make` returns, its variables placed where the mode wants them."""
        ...

    def runner(self, update: Update) -> Runner:
        """Return what executes the update, compiled."""
        ...

    def average(
        self, gradients: Sequence[Any], others: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return both averaged over all ranks; called while the step is traced.

        Gradients may lose precision on the way, the others may not.
        """
        ...

    def average_moments(self, moments: Any) -> Any:
        """Return float32 [2, C] averaged over all ranks; gradients flow back to all of them."""
        ...

    def total(self, counts: Counts) -> Counts:
        """Return the sum of all ranks' counts."""
        ...

    def agree(self, wish: bool) -> bool:
        """Return on all ranks whether any of them has the wish."""
        ...

    def share(self, value: _T) -> _T:
        """Return on all ranks what the rank that writes files has."""
        ...

    def share_variables(self, variables: Sequence[Any]) -> None:
        """Give the Keras variables on all ranks the values of the rank that writes files."""
        ...

    def local(self, model: Any) -> Any:
        """Return a model whose variables are in this process: itself, or a copy made now.

        For the same model it is always the same object.
        """
        ...
