"""The part of a Horovod rank that isn't training: it hears its launcher, and reports its end.

A rank is the same command line as its launcher's, run by it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import msgspec

from training.errors import TrainingError
from training.modes.horovod_environment import TERMINAL, hears_launcher, local_size, under_mpi
from training.modes.horovod_hosts import interface_towards
from training.modes.horovod_messages import Ended, Hello, Stop, read_order, write_report
from training.progress import Bars, SilentBars, TerminalBars, make_bars
from training.settings import Job, Recipe

if TYPE_CHECKING:
    from training.job import Outcome

_T = TypeVar("_T")

# Several times the interval of the launcher's Alive.
_SILENCE_S = 60.0
_WATCH_S = 1.0
_PARTING_S = 5.0
_LAUNCHER_GONE = 1


def train_as_rank(job: Job, recipe: Recipe, run: Path, *, debug: bool) -> Outcome | None:
    """Train with the other ranks; return what became of it on rank 0, None elsewhere.

    An error ends the process, after it was reported to the launcher.
    """
    return as_rank(lambda: _train(job, recipe, run), debug=debug)


def as_rank(work: Callable[[], _T], *, debug: bool = False) -> _T:
    """Return what `work` returns; its error is reported to the launcher and ends the process."""
    if hears_launcher():
        hear_launcher()
    else:
        follow_parent()
    try:
        return work()
    except TrainingError as error:
        _leave(Ended(str(error), error.exit_code), debug=debug)
    except KeyboardInterrupt:
        _leave(Ended("interrupted", 128 + signal.SIGINT), debug=debug)
    except Exception as error:  # noqa: BLE001 the last resort of a process
        _leave(_unexpected(error), debug=debug)


def hear_launcher() -> None:
    """Take over what the launcher says first, and obey it from a thread of its own."""
    stream = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer
    lines = _Lines(stream.fileno())
    first = lines.next(None)
    hello = read_order(first) if first else None
    if not isinstance(hello, Hello):
        end_at_once()
    os.environ.update(hello.environment)
    threading.Thread(target=obey, args=(lines.next, end_at_once), daemon=True).start()


def follow_parent() -> None:
    """End with the process that has started this one, from a thread of its own."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        end_at_once()

    threading.Thread(target=watch, daemon=True).start()


def obey(next_line: Callable[[float], bytes | None], end: Callable[[], object]) -> None:
    """Turn each Stop into that signal for this process; end when the launcher is gone."""
    while line := next_line(_SILENCE_S):
        try:
            order = read_order(line)
        except msgspec.MsgspecError:
            continue
        if isinstance(order, Stop):
            _hear(order.signal_number)
    end()


def end_at_once() -> NoReturn:
    """End this process and its own ones; there is no launcher to take an exit code any more."""
    if _leads():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(_LAUNCHER_GONE)


def _hear(signal_number: int) -> None:
    """Have this process get a signal; its own processes too, where the signal will end it."""
    if signal.getsignal(signal_number) == signal.SIG_DFL and _leads():
        os.killpg(os.getpid(), signal_number)
    else:
        os.kill(os.getpid(), signal_number)


def _leads() -> bool:
    """Return whether this process's group is its own, as launcher and sshd make it."""
    return os.getpgrp() == os.getpid()


class _Lines:
    """Lines of a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""

    def next(self, timeout_s: float | None) -> bytes | None:
        """Return the next line; None at the end, or when nothing comes for so long."""
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
            read = os.read(self._descriptor, 65536) if ready else b""
            if not read:
                return None
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _train(job: Job, recipe: Recipe, run: Path) -> Outcome | None:
    address = os.environ.get("HOROVOD_GLOO_RENDEZVOUS_ADDR")
    if address is not None:
        os.environ["HOROVOD_GLOO_IFACE"] = interface_towards(address)
    from training.job import train
    from training.modes.horovod import HorovodMode, use_own_gpu
    from training.modes.horovod_elastic import HorovodMemory, run_elastic
    from training.threads import use_threads

    def join(memory: HorovodMemory | None = None) -> HorovodMode:
        parts = job.max if memory is not None else None
        return HorovodMode(
            name=job.mode,
            compress=recipe.compress,
            sync_norm=recipe.sync_norm,
            parts=parts,
            memory=memory,
        )

    def work(mode: HorovodMode) -> Outcome | None:
        return train(job, recipe, mode, run, _bars(mode.index))

    use_threads(job.threads, processes_here=local_size())
    use_own_gpu()
    if job.elastic:
        return run_elastic(join, work)
    return work(join())


def _bars(rank: int) -> Bars:
    if rank != 0:
        return SilentBars()
    columns, _, lines = os.environ[TERMINAL].partition("x")
    if not lines:
        return make_bars()
    # What bars take the size of a terminal from where they are written to a pipe.
    os.environ.update(COLUMNS=columns, LINES=lines)
    return TerminalBars(sys.stderr)


def _unexpected(error: Exception) -> Ended:
    from training.modes.horovod import lost_peer

    message = f"{type(error).__name__}: {error} (an error in Hotshelf; --debug shows where)"
    return Ended(" ".join(message.split()), TrainingError.exit_code, lost_peer=lost_peer(error))


def _leave(report: Ended, *, debug: bool) -> NoReturn:
    """Report and end, without waiting for ranks that may be gone already."""
    if debug:
        traceback.print_exc()
    sys.stdout.write(write_report(report))
    sys.stdout.flush()
    sys.stderr.flush()
    if under_mpi():
        _part(report.exit_code)
    os._exit(report.exit_code)


def _part(exit_code: int) -> NoReturn:
    """End in order, with the others, and without waiting for long.

    When a rank ends in disorder, mpirun kills the others: perhaps rank 0 at a checkpoint.
    """
    watchdog = threading.Timer(_PARTING_S, os._exit, (exit_code,))
    watchdog.daemon = True
    watchdog.start()
    import horovod.tensorflow as hvd

    if not hvd.is_initialized():
        os._exit(exit_code)
    hvd.shutdown()
    os._exit(0)
