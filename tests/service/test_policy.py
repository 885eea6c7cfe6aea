"""The policy as a table: states, wanted versions, time → next action."""

from __future__ import annotations

import pytest

from service.engine.policy import Action, Forget, Load, State, Unload, VersionView, next_action

START, LOADING, AVAILABLE, END = State.START, State.LOADING, State.AVAILABLE, State.END
UNLOADING = State.UNLOADING


@pytest.mark.parametrize(
    ("versions", "aspired", "expected"),
    [
        pytest.param([], {1}, Load(1), id="a wanted version is loaded"),
        pytest.param([(1, START)], {1}, Load(1), id="a version just heard of is loaded"),
        pytest.param([], {1, 2}, Load(2), id="the newest is loaded first"),
        pytest.param([(1, AVAILABLE)], {1}, None, id="nothing to do when all is as wanted"),
        pytest.param([(1, AVAILABLE)], {2}, Load(2), id="load before unloading"),
        pytest.param(
            [(1, AVAILABLE), (2, LOADING)], {2}, None, id="the old one stays while the new loads"
        ),
        pytest.param(
            [(1, AVAILABLE), (2, AVAILABLE)], {2}, Unload(1), id="the old one goes after the swap"
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 9.0)], {2}, None, id="the old one stays if the new one failed"
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 4.0)], {2}, Load(2), id="a failed one is retried when due"
        ),
        pytest.param(
            [(1, AVAILABLE), (2, AVAILABLE), (3, END, 9.0)],
            {2, 3},
            Unload(1),
            id="one of several wanted ones is enough to let an unwanted one go",
        ),
        pytest.param([(1, AVAILABLE)], set(), None, id="the last one stays if nothing is wanted"),
        pytest.param([(1, END, 9.0)], set(), Forget(1), id="failed and unwanted is forgotten"),
        pytest.param([(1, UNLOADING)], set(), None, id="what is leaving is left alone"),
    ],
)
def test_next_action(
    versions: list[tuple[int, State] | tuple[int, State, float]],
    aspired: set[int],
    expected: Action | None,
) -> None:
    views = [VersionView(*each) for each in versions]
    assert next_action(views, aspired, now=5.0) == expected
