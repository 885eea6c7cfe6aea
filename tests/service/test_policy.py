"""The policy as a table: states, wanted versions, time → next action."""

from __future__ import annotations

import pytest

from service.engine.policy import (
    Action,
    Estimate,
    Forget,
    Load,
    Refuse,
    State,
    Unload,
    VersionView,
    next_action,
)
from service.engine.routes import Routes
from service.engine.wanted import Wanted

START, LOADING, AVAILABLE, END = State.START, State.LOADING, State.AVAILABLE, State.END
UNLOADING = State.UNLOADING


@pytest.mark.parametrize(
    ("versions", "wanted", "routes", "expected"),
    [
        pytest.param([], {1}, Routes(), Load(1), id="a wanted version is loaded"),
        pytest.param([(1, START)], {1}, Routes(), Load(1), id="a version just heard of is loaded"),
        pytest.param([], {1, 3}, Routes(), Load(3), id="the newest is loaded first"),
        pytest.param(
            [], {1, 2, 3}, Routes(), Load(2), id="the default is loaded before the newest"
        ),
        pytest.param(
            [(1, AVAILABLE)], {1}, Routes(1), None, id="nothing to do when all is as wanted"
        ),
        pytest.param([(1, AVAILABLE)], {2}, Routes(1), Load(2), id="load before unloading"),
        pytest.param(
            [(1, AVAILABLE), (2, LOADING)],
            {2},
            Routes(1),
            None,
            id="the old one stays while the new loads",
        ),
        pytest.param(
            [(1, AVAILABLE), (2, AVAILABLE)],
            {2},
            Routes(2),
            Unload(1),
            id="the old one goes after the swap",
        ),
        pytest.param(
            [(1, AVAILABLE), (2, AVAILABLE)],
            {2},
            Routes(2, {"stable": 1}),
            None,
            id="a version that a request may name stays",
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 9.0)],
            {2},
            Routes(1),
            None,
            id="the old one stays if the new one failed",
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 4.0)],
            {2},
            Routes(1),
            Load(2),
            id="a failed one is retried when due",
        ),
        pytest.param(
            [(3, AVAILABLE), (4, AVAILABLE), (5, END, 9.0)],
            {4, 5},
            Routes(4),
            Unload(3),
            id="one of several wanted ones is enough to let an unwanted one go",
        ),
        pytest.param([(1, END, 9.0)], set(), Routes(), Forget(1), id="failed, unwanted: forgotten"),
        pytest.param(
            [(2, AVAILABLE), (8, END)], {2}, Routes(2), Forget(8), id="unloaded: forgotten"
        ),
        pytest.param([(1, UNLOADING)], set(), Routes(), None, id="what is leaving is left alone"),
        pytest.param(
            [(2, END, 9.0)], {2}, Routes(), Load(8), id="a fallback where all that is wanted failed"
        ),
        pytest.param(
            [(2, END, 9.0), (8, END, 9.0)], {2}, Routes(), Load(7), id="fallbacks one by one"
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 9.0)],
            {2, 1},
            Routes(1),
            None,
            id="no fallback while something answers",
        ),
        pytest.param(
            [(1, AVAILABLE), (2, END, 9.0)],
            {2, 1},
            Routes(None, {"canary": 1}),
            Load(8),
            id="a fallback where only requests that name a label are answered",
        ),
    ],
)
def test_next_action(
    versions: list[tuple[int, State] | tuple[int, State, float]],
    wanted: set[int],
    routes: Routes,
    expected: Action | None,
) -> None:
    views = [VersionView(*each) for each in versions]
    default = 2 if 2 in wanted else max(wanted, default=None)
    everything = Wanted(frozenset(wanted), default, fallbacks=(8, 7))
    assert next_action(views, everything, routes, now=5.0) == expected


def sized(*versions: tuple[int, State, int | None]) -> list[VersionView]:
    return [VersionView(version, state, None, size) for version, state, size in versions]


@pytest.mark.parametrize(
    ("versions", "wanted", "default", "expected"),
    [
        pytest.param(
            sized((1, AVAILABLE, 40)), {2}, 1, Estimate(2), id="its size is asked for first"
        ),
        pytest.param(
            sized((1, AVAILABLE, 40), (2, START, 40)), {2}, 1, Load(2), id="what fits is loaded"
        ),
        pytest.param(
            sized((1, AVAILABLE, 40), (2, AVAILABLE, 40)), {2}, 2, None, id="what fits is kept"
        ),
        pytest.param(
            sized((1, AVAILABLE, 40), (2, AVAILABLE, 40), (3, START, 40)),
            {3},
            2,
            Unload(1),
            id="what nobody needs makes room",
        ),
        pytest.param(
            sized((1, AVAILABLE, 40), (2, AVAILABLE, 40), (3, AVAILABLE, 40)),
            {3},
            3,
            Unload(1),
            id="the oldest goes first when more is taken than was thought",
        ),
        pytest.param(
            sized((1, AVAILABLE, 101)), {1}, 1, None, id="what is needed stays whatever it takes"
        ),
    ],
)
def test_next_action_with_a_hundred_bytes(
    versions: list[VersionView], wanted: set[int], default: int, expected: Action | None
) -> None:
    everything = Wanted(frozenset(wanted), max(wanted))
    assert next_action(versions, everything, Routes(default), 5.0, 100) == expected


def test_what_was_deleted_is_not_kept_even_where_it_fits() -> None:
    versions = sized((1, AVAILABLE, 40), (2, AVAILABLE, 40))
    wanted = Wanted(frozenset({2}), 2, existing=frozenset({2}))
    assert next_action(versions, wanted, Routes(2), 5.0, 100) == Unload(1)


def test_what_cannot_fit_beside_what_is_in_use_is_refused() -> None:
    versions = sized((1, AVAILABLE, 70_000_000), (2, START, 40_000_000))
    action = next_action(versions, Wanted(frozenset({2}), 2), Routes(1), 5.0, 100_000_000)
    assert isinstance(action, Refuse)
    assert action.reason.startswith(
        "it takes 40 MB and 70 MB of the 100 MB for versions are taken by those in use (1)"
    )
