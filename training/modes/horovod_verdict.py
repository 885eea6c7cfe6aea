"""Why a Horovod run ended, decided from how each of its ranks did."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from training.errors import Interrupted, ProcessLost, TrainingError
from training.modes.horovod_messages import Ended

_SSH_FAILED = 255


class RankEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How one rank ended.

    `exit_code` is that of its process, negative for a signal. `ended_by_us` says that the launcher
    took it down as others had ended. `last_line` is the last it wrote to standard error.
    """

    rank: int
    host: str
    exit_code: int
    remote: bool = False
    report: Ended | None = None
    ended_by_us: bool = False
    last_line: str = ""

    @property
    def is_cause(self) -> bool:
        """Return whether the rank failed by itself, and not because another one had."""
        lost_peer = self.report is not None and self.report.lost_peer
        return self.exit_code != 0 and not self.ended_by_us and not lost_peer

    @property
    def is_failure(self) -> bool:
        """Return whether the others can't go on; those that all stop together can."""
        together = self.report is not None and self.report.exit_code > 128
        return self.exit_code != 0 and not together

    @property
    def place(self) -> str:
        """Return the rank and where it ran."""
        return f"rank {self.rank} on {self.host}"


def error_of(ends: Sequence[RankEnd], run: Path, stopped_by: int | None) -> TrainingError | None:
    """Return the error of a run whose ranks ended in this order; None when all went well.

    `stopped_by` is the signal that the launcher passed on to them.
    """
    if all(end.exit_code == 0 for end in ends):
        return None
    causes = [end for end in ends if end.is_cause]
    if not causes:
        place = next(end.place for end in ends if end.exit_code != 0)
        return ProcessLost(f"{place} lost its connection to the others; {_goes_on(run)}")
    first = causes[0]
    if first.report is not None:
        return _reported(causes, len(ends), first.report)
    if stopped_by is not None:
        name = signal.Signals(stopped_by).name
        return Interrupted(f"stopped by {name}; {_goes_on(run)}", stopped_by)
    return ProcessLost(f"{first.place} {_unreported(first)}; {_goes_on(run)}")


def elastic_error_of(
    ends: Sequence[RankEnd], run: Path, stopped_by: int | None
) -> TrainingError | None:
    """Return the error of a run that goes on without ranks it loses; None when it got to the end.

    One rank that ends well tells that training is done, whatever was lost before. What fails after
    it is the end of rank 0, which exports and publishes then. Otherwise what ranks said last is why
    the run ended.
    """
    done = next((place for place, end in enumerate(ends) if end.exit_code == 0), None)
    if done is not None:
        late = ends[done:]
        return error_of(late, run, stopped_by) if any(end.is_cause for end in late) else None
    spoke = [end for end in ends if end.report is not None and end.is_cause]
    if not ends:
        return ProcessLost(f"no host was there to run on; {_goes_on(run)}")
    return error_of(spoke or ends, run, stopped_by)


def loss_of(end: RankEnd) -> str:
    """Return a line for a rank that an elastic run has lost."""
    return f"{end.place}: {end.report.message}" if end.report else f"{end.place} {_unreported(end)}"


def _reported(causes: Sequence[RankEnd], ranks: int, report: Ended) -> TrainingError:
    """Return what the ranks reported: one place is to blame unless all of them said the same."""
    reports = [end.report for end in causes if end.report is not None]
    together = len(reports) == ranks and len({each.exit_code for each in reports}) == 1
    if together:
        spokesman = min(causes, key=lambda end: end.rank).report or report
        return _Reported(spokesman.message, spokesman.exit_code)
    return _Reported(f"{causes[0].place}: {report.message}", report.exit_code)


class _Reported(TrainingError):
    """An error that a rank had, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _unreported(end: RankEnd) -> str:
    said = f" ({end.last_line})" if end.last_line else ""
    if end.exit_code < 0:
        name = str(-end.exit_code)
        with suppress(ValueError):
            name = signal.Signals(-end.exit_code).name
        return f"was killed by {name}"
    if end.remote and end.exit_code == _SSH_FAILED:
        return f"was killed, or its host can't be reached{said}"
    return f"ended with exit code {end.exit_code}{said}"


def _goes_on(run: Path) -> str:
    return (
        "all ranks have ended; the same command with "
        f"--run {run} goes on from the last checkpoint, if there is one"
    )
