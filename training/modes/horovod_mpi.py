"""Ranks that meet over MPI: all of them run by one mpirun, which Horovod starts.

mpirun ends all ranks when one of them ends in disorder, and says which. What is written to its
standard input reaches rank 0 alone, which is enough: a stop is agreed on by all ranks, and without
rank 0 there is no run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO

from training.errors import ProcessLost, UsageError
from training.modes.horovod_environment import mpi_environment, rank_environment
from training.modes.horovod_hosts import HostSlots, is_here
from training.modes.horovod_messages import Alive, Ended, Hello, Stop, read_report
from training.modes.horovod_mpi_output import RankLines, failure_in, gist_of, lost_host_in
from training.modes.horovod_process import SSH_OPTIONS, LaunchedProcess
from training.modes.horovod_relay import relaying, to_stderr, to_stdout
from training.modes.horovod_verdict import RankEnd

# How long ranks have to leave together after one of them has reported an error.
_GRACE_S = 10.0
_SSH_FAILED = 255
_INSTALL = "on Debian: apt-get install openmpi-bin libopenmpi-dev"


def run_mpi_ranks(
    command: Sequence[str], hosts: Sequence[HostSlots], *, ssh: Sequence[str], debug: bool = False
) -> MpiRanks:
    """Run a command in as many ranks as the hosts have slots, to the end of all of them.

    Takes signals meanwhile; the main thread's only. Raises UsageError where MPI is missing, and
    ProcessLost where a host can't be reached, or mpirun ends without naming a rank.
    """
    check_mpi()
    remote = [host.name for host in hosts if not is_here(host.name)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: _check_there(host, ssh), remote))
    ranks = MpiRanks(command, hosts, ssh=ssh, debug=debug)
    with relaying(ranks.stop, ranks.keep_alive):
        ranks.run()
    return ranks


class MpiRanks:
    """The ranks that one mpirun runs, and how they ended."""

    def __init__(
        self, command: Sequence[str], hosts: Sequence[HostSlots], *, ssh: Sequence[str], debug: bool
    ) -> None:
        self.ends: list[RankEnd] = []
        self.stopped_by: int | None = None
        self._debug = debug
        # In the order in which mpirun, told to map by slot, numbers its ranks.
        self._places = [host.name for host in hosts for _ in range(host.slots)]
        self._reports: dict[int, Ended] = {}
        self._own_words: list[str] = []
        # mpirun looks for what logs in even where it has nobody to log in to.
        agent = [] if all(map(is_here, self._places)) else [*ssh, *SSH_OPTIONS]
        self._process = _MpiProcess(
            [
                *(sys.executable, "-m", "training.modes.horovod_mpirun"),
                *(",".join(map(str, hosts)), shlex.join(agent), *command),
            ],
            mpi_environment(),
        )
        # Through mpirun's own connections, if rank 0 is elsewhere, and those are open to readers.
        secrets = rank_environment() if is_here(hosts[0].name) else {}
        self._process.tell(Hello(secrets))

    def run(self) -> None:
        """Pass on what the ranks write until all have ended. Raises ProcessLost, see above."""
        exit_code = self._process.pass_on(self._hear_rank, self._hear_mpirun)
        known = [
            self._end(rank, report.exit_code, report) for rank, report in self._reports.items()
        ]
        known += self._named_by_mpirun()
        if not known and exit_code != 0 and self.stopped_by is None:
            raise ProcessLost(
                f"mpirun ended with exit code {exit_code}, saying: {gist_of(self._own_words)}"
            )
        silent = set(range(len(self._places))) - {end.rank for end in known}
        others = [self._end(rank, exit_code, ended_by_us=bool(known)) for rank in sorted(silent)]
        self.ends = known + others

    def stop(self, signal_number: int) -> None:
        """Pass a signal on, on which all ranks agree on the step to stop after."""
        self.stopped_by = signal_number
        self._process.tell(Stop(signal_number))

    def keep_alive(self) -> None:
        """Tell the ranks that they aren't alone."""
        self._process.tell(Alive())

    def _named_by_mpirun(self) -> list[RankEnd]:
        """Return the end of the rank that mpirun blames, unless it has told of itself."""
        failure = failure_in(self._own_words)
        host = lost_host_in(self._own_words)
        if failure is not None and failure.rank not in self._reports:
            return [self._end(failure.rank, failure.exit_code)]
        if host in self._places:
            return [self._end(self._places.index(host), _SSH_FAILED, remote=True)]
        return []

    def _end(
        self,
        rank: int,
        exit_code: int,
        report: Ended | None = None,
        *,
        remote: bool = False,
        ended_by_us: bool = False,
    ) -> RankEnd:
        return RankEnd(
            rank=rank,
            host=self._places[rank],
            exit_code=exit_code,
            remote=remote,
            report=report,
            ended_by_us=ended_by_us,
        )

    def _hear_rank(self, rank: int, line: str, show: Callable[[str], None]) -> None:
        report = read_report(line)
        if report is not None:
            self._reports[rank] = report
            self._process.end_after(_GRACE_S)
        elif rank == 0 or self._debug:
            show(line)

    def _hear_mpirun(self, line: str) -> None:
        self._own_words.append(line)


class _MpiProcess(LaunchedProcess):
    """mpirun; on SIGTERM it ends all of its ranks, and then itself."""

    def pass_on(
        self,
        from_rank: Callable[[int, str, Callable[[str], None]], None],
        from_mpirun: Callable[[str], None],
    ) -> int:
        """Pass on each line with whom it is from, and for a rank's where it belongs.

        Return the exit code.
        """

        def read(stream: IO[bytes], show: Callable[[str], None]) -> None:
            lines = RankLines()
            for raw in stream:
                for rank, line in lines.read(raw):
                    if rank is None:
                        from_mpirun(line)
                    else:
                        from_rank(rank, line, show)

        errors = threading.Thread(target=read, args=(self._errors, _to_stderr), daemon=True)
        errors.start()
        read(self._output, to_stdout)
        errors.join()
        exit_code = self._process.wait()
        self._close_pipes()
        return exit_code

    def end_after(self, seconds: float) -> None:
        """Have mpirun end the ranks that are still there then."""
        timer = threading.Timer(seconds, self._terminate)
        timer.daemon = True
        timer.start()

    def _terminate(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)


def _to_stderr(line: str) -> None:
    to_stderr(line.encode())


def check_mpi() -> None:
    """Raise UsageError, saying what to do, unless Horovod was built with MPI that is here."""
    program = shutil.which("mpirun")
    if program is None:
        raise UsageError(f"--controller mpi: there is no mpirun on the path; {_INSTALL}")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if "Open MPI" not in version.stdout:
        said = (version.stdout.splitlines() or ["nothing"])[0]
        raise UsageError(f"--controller mpi needs Open MPI; `{program} --version` says {said}")
    # A process of its own, as TensorFlow comes with it and prints to the terminal from below.
    question = "import sys, horovod.tensorflow as hvd; sys.exit(0 if hvd.mpi_built() else 3)"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, check=False)
    if answer.returncode != 0:
        raise UsageError(
            "--controller mpi: Horovod was built here without MPI; "
            "`python tools/build_horovod.py --mpi` builds it with both"
        )


def _check_there(host: str, ssh: Sequence[str]) -> None:
    """Raise ProcessLost when a host lets nobody in, UsageError when it hasn't got Open MPI."""
    command = [*ssh, *SSH_OPTIONS, host, "command -v orted"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode == _SSH_FAILED:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ProcessLost(f"{host} can't be reached, nothing was started ({said})")
    if done.returncode != 0:
        raise UsageError(f"--controller mpi: {host} has no orted on the path; {_INSTALL}")
