"""Sets of version numbers, written as the first and last of each run of neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Runs = tuple[tuple[int, int], ...]


def runs_of(numbers: Iterable[int]) -> Runs:
    """Return the numbers as ascending runs: 1, 2, 3, 7 is ((1, 3), (7, 7))."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)


def numbers_of(runs: Runs) -> Iterator[int]:
    """Yield every number, ascending."""
    for first, last in runs:
        yield from range(first, last + 1)


def holds(runs: Runs, number: int) -> bool:
    """Tell whether the number is one of them."""
    return any(first <= number <= last for first, last in runs)


def without(runs: Runs, numbers: frozenset[int]) -> Runs:
    """Return the runs of all the other numbers."""
    return runs_of(number for number in numbers_of(runs) if number not in numbers)
