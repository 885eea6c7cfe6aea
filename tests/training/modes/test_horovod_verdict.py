"""Why a run ended, from how its ranks did."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from training.errors import Interrupted, ProcessLost
from training.modes.horovod_messages import Ended
from training.modes.horovod_verdict import RankEnd, elastic_error_of, error_of

RUN = Path("runs/x-1")


def end(rank: int, exit_code: int = 0, **facts: object) -> RankEnd:
    return RankEnd(rank=rank, host="ab"[rank], exit_code=exit_code, **facts)  # type: ignore[arg-type]


def reported(rank: int, message: str, exit_code: int, *, lost_peer: bool = False) -> RankEnd:
    return end(rank, exit_code, report=Ended(message, exit_code, lost_peer=lost_peer))


def test_nothing_is_said_of_ranks_that_end_well() -> None:
    assert error_of([end(1), end(0)], RUN, None) is None
    assert error_of([end(1), end(0)], RUN, signal.SIGTERM) is None


@pytest.mark.parametrize(
    ("ends", "exit_code", "message"),
    [
        pytest.param(
            [end(1, -9), reported(0, "Horovod has been shut down", 1, lost_peer=True)],
            8,
            "rank 1 on b was killed by SIGKILL; ",
            id="the killed rank is named, not the one that noticed",
        ),
        pytest.param(
            [reported(0, "Connection reset", 1, lost_peer=True), end(1, -11)],
            8,
            "rank 1 on b was killed by SIGSEGV; ",
            id="whoever is heard first",
        ),
        pytest.param(
            [end(1, 255, remote=True, last_line="Permission denied"), end(0, -9, ended_by_us=True)],
            8,
            "rank 1 on b was killed, or its host can't be reached (Permission denied); ",
            id="a remote rank",
        ),
        pytest.param(
            [end(0, 127, last_line="No such file"), end(1, -9, ended_by_us=True)],
            8,
            "rank 0 on a ended with exit code 127 (No such file); ",
            id="a rank that couldn't start",
        ),
        pytest.param(
            [reported(1, "x.JPEG is damaged", 3), reported(0, "lost", 1, lost_peer=True)],
            3,
            "rank 1 on b: x.JPEG is damaged",
            id="one rank's own error keeps its exit code",
        ),
        pytest.param(
            [reported(1, "the loss is nan", 5), reported(0, "the loss is nan", 5)],
            5,
            "the loss is nan",
            id="an error of all blames nobody",
        ),
        pytest.param(
            [reported(0, "lost", 1, lost_peer=True), reported(1, "lost", 1, lost_peer=True)],
            8,
            "rank 0 on a lost its connection to the others; ",
            id="nobody is at fault",
        ),
    ],
)
def test_the_first_that_failed_by_itself_is_named(
    ends: list[RankEnd], exit_code: int, message: str
) -> None:
    error = error_of(ends, RUN, None)
    assert error is not None
    assert error.exit_code == exit_code
    assert str(error).startswith(message)


def test_a_lost_rank_says_how_the_run_goes_on() -> None:
    error = error_of([end(0, -9), end(1, -9, ended_by_us=True)], RUN, None)
    assert isinstance(error, ProcessLost)
    assert "the same command with --run runs/x-1 goes on from the last checkpoint" in str(error)


def test_a_run_that_is_stopped_says_what_rank_0_says() -> None:
    ends = [reported(1, "stopped, says 1", 143), reported(0, "stopped, says 0", 143)]
    error = error_of(ends, RUN, signal.SIGTERM)
    assert error is not None
    assert (str(error), error.exit_code) == ("stopped, says 0", 143)


def test_a_run_stopped_before_its_ranks_could_hear_it_is_no_loss() -> None:
    error = error_of([end(1, -15), end(0, -15)], RUN, signal.SIGTERM)
    assert isinstance(error, Interrupted)
    assert error.exit_code == 143


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param([end(1, -9), end(0)], id="one was lost on the way"),
        pytest.param([end(1), end(0)], id="all got to the end"),
        pytest.param([end(1), end(0, -9, ended_by_us=True)], id="the rest was ended"),
        pytest.param(
            [end(0), reported(1, "lost", 1, lost_peer=True)], id="one noticed that others left"
        ),
    ],
)
def test_an_elastic_run_that_gets_to_its_end_has_no_error(ends: list[RankEnd]) -> None:
    assert elastic_error_of(ends, RUN, None) is None


def test_an_elastic_run_whose_export_or_publishing_fails_says_so() -> None:
    ends = [end(1, -9), end(1), reported(0, "can't publish there", 7)]
    error = elastic_error_of(ends, RUN, None)
    assert error is not None
    assert (str(error), error.exit_code) == ("rank 0 on a: can't publish there", 7)
    killed = elastic_error_of([end(1), end(0, -9)], RUN, None)
    assert isinstance(killed, ProcessLost)
    assert "rank 0 on a was killed by SIGKILL" in str(killed)


def test_only_what_others_cant_go_on_after_is_a_failure() -> None:
    assert end(0, -9).is_failure
    assert reported(0, "data", 3).is_failure
    assert not end(0).is_failure
    assert not reported(0, "stopped", 143).is_failure
