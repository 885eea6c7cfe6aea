"""What mpirun writes: the output of all ranks with a tag before each piece, and its own words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

# What `mpirun --tag-output` of Open MPI puts before each piece that it has read from a rank.
_TAG = re.compile(rb"\[\d+,(\d+)\]<(?:stdout|stderr|stddiag)>:")
_KILLED = re.compile(r"process rank (\d+) with PID \d+ on node \S+ exited on signal (\d+)")
_FAILED = re.compile(r"Process name: \[\[\d+,\d+\],(\d+)\] Exit code: (\d+)")
_LOST = re.compile(r"lost communication with a remote daemon.*?Remote daemon: \S+ on node (\S+)")
_GIST_LENGTH = 300


class RankFailure(msgspec.Struct, frozen=True):
    """The rank that mpirun ended the others for; its exit code is negative for a signal."""

    rank: int
    exit_code: int


class RankLines:
    """Puts the lines of each rank together again, of one of mpirun's two streams."""

    def __init__(self) -> None:
        self._begun: defaultdict[int | None, bytes] = defaultdict(bytes)

    def read(self, line: bytes) -> Iterator[tuple[int | None, str]]:
        """Take a line of mpirun's; yield each line that is whole now, with its rank or None."""
        # Text, rank, text, rank, text …: what is before the first tag is mpirun's own.
        parts = _TAG.split(line)
        ranks = [None, *map(int, parts[1::2])]
        for rank, text in zip(ranks, parts[::2], strict=True):
            self._begun[rank] += text
            if text.endswith(b"\n"):
                yield rank, self._begun.pop(rank).decode(errors="replace")


def failure_in(words: Sequence[str]) -> RankFailure | None:
    """Return which rank mpirun says to have failed; None when it names none."""
    text = _in_one_line(words)
    if killed := _KILLED.search(text):
        return RankFailure(int(killed[1]), -int(killed[2]))
    if failed := _FAILED.search(text):
        return RankFailure(int(failed[1]), int(failed[2]))
    return None


def lost_host_in(words: Sequence[str]) -> str | None:
    """Return the host that mpirun says to have lost; None when it names none."""
    lost = _LOST.search(_in_one_line(words))
    return lost[1] if lost else None


def gist_of(words: Sequence[str]) -> str:
    """Return the beginning of what mpirun says, in one line."""
    said = [line for line in words if line.strip(" -\n")]
    return _in_one_line(said)[:_GIST_LENGTH] or "nothing"


def _in_one_line(words: Sequence[str]) -> str:
    return " ".join(" ".join(words).split())
