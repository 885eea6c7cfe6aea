"""Servers hold equal parts of ResNet-50, however many there are."""

from __future__ import annotations

import pytest

from training.model import Architecture, build_model
from training.modes.placement import Placement


@pytest.fixture(scope="module")
def variables() -> list[tuple[str, int]]:
    """Names and sizes in bytes of what the servers hold of ResNet-50."""
    model = build_model(Architecture(), precision="float32", seed=0)
    return [(item.path, 4 * item.shape.num_elements()) for item in model.variables]


@pytest.mark.parametrize("servers", [1, 2, 3, 4, 5, 8])
def test_no_server_holds_much_more_than_its_share(
    variables: list[tuple[str, int]], servers: int
) -> None:
    placement = Placement(servers)
    for name, size in variables:
        placement.place(name, size)
    total = sum(size for _, size in variables)
    assert sum(placement.bytes_held) == total
    # Turn by turn, all large kernels would be on one of five servers: 4.7 times its share.
    assert max(placement.bytes_held) < 1.3 * total / servers


def test_what_has_the_same_name_meets_on_the_same_server() -> None:
    placement = Placement(3)
    first = [placement.place(name, 10) for name in "abc"]
    assert sorted(first) == [0, 1, 2]
    assert [placement.place(name, 10) for name in "cab"] == [first[2], first[0], first[1]]


def test_what_is_put_beside_another_counts_for_its_server() -> None:
    placement = Placement(2)
    assert placement.place("a", 10) == 0
    placement.beside(1, 100)
    assert placement.place("b", 10) == 0
    assert placement.bytes_held == [20, 100]
