"""What mpirun writes, told apart: the lines of each rank, and what it says itself."""

from __future__ import annotations

import pytest

from training.modes.horovod_mpi_output import (
    RankFailure,
    RankLines,
    failure_in,
    gist_of,
    lost_host_in,
)

RULE = "-" * 74 + "\n"
ABORTED = [
    RULE,
    "Primary job  terminated normally, but 1 process returned\n",
    "a non-zero exit code. Per user-direction, the job has been aborted.\n",
    RULE,
]
KILLED = "mpirun noticed that process rank 1 with PID 2148 on node b exited on signal 9 (Killed).\n"
FAILED = [
    "mpirun detected that one or more processes exited with non-zero status, thus causing\n",
    "the job to be terminated. The first process to do so was:\n",
    "\n",
    "  Process name: [[5619,1],0]\n",
    "  Exit code:    3\n",
]
LOST = [
    "ORTE has lost communication with a remote daemon.\n",
    "\n",
    "  HNP daemon   : [[32310,0],0] on node a\n",
    "  Remote daemon: [[32310,0],1] on node b\n",
]


def lines_of(written: list[bytes]) -> list[tuple[int | None, str]]:
    lines = RankLines()
    return [found for line in written for found in lines.read(line)]


def test_a_rank_is_known_by_the_tag_before_its_line() -> None:
    written = [b"[1,0]<stdout>:hello\n", b"[1,12]<stderr>:there\n"]
    assert lines_of(written) == [(0, "hello\n"), (12, "there\n")]


def test_a_line_that_was_written_in_pieces_is_whole_again() -> None:
    written = [b"[1,1]<stdout>:one[1,1]<stdout>: and[1,0]<stdout>:a\n", b"[1,1]<stdout>: two\n"]
    assert lines_of(written) == [(0, "a\n"), (1, "one and two\n")]


def test_what_has_no_tag_is_said_by_mpirun() -> None:
    written = [b"mpirun noticed\n", b"[1,0]<stderr>:x\n", b"and ended\n"]
    assert lines_of(written) == [(None, "mpirun noticed\n"), (0, "x\n"), (None, "and ended\n")]


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ([*ABORTED, RULE, KILLED, RULE], RankFailure(1, -9)),
        ([*ABORTED, RULE, *FAILED, RULE], RankFailure(0, 3)),
        (ABORTED, None),
        ([], None),
    ],
)
def test_the_rank_that_mpirun_blames_is_found(
    words: list[str], failure: RankFailure | None
) -> None:
    assert failure_in(words) == failure


def test_the_host_that_mpirun_has_lost_is_found() -> None:
    assert lost_host_in([RULE, *LOST, RULE]) == "b"
    assert lost_host_in(ABORTED) is None


def test_the_gist_leaves_out_what_only_decorates() -> None:
    assert gist_of([RULE, "There are not enough slots\n", "available\n", RULE]) == (
        "There are not enough slots available"
    )
    assert gist_of([RULE]) == "nothing"
