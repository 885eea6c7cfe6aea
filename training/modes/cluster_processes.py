"""Workers and servers as processes of this machine, which end when the coordinator does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from training.modes.cluster import VARIABLE, Cluster, Place, Task
from training.outlook.machine import usable_cores

_COMMANDS = {"worker": "worker", "ps": "server"}
_STOP_S = 5.0
_SERVER_THREADS = 2


class Ended(msgspec.Struct, frozen=True):
    """A process that is gone: how, and where it said why."""

    task: Task
    exit_code: int
    log: Path

    def __str__(self) -> str:
        """Return who ended and how."""
        if self.exit_code < 0:
            name = str(-self.exit_code)
            with suppress(ValueError):
                name = signal.Signals(-self.exit_code).name
            return f"{self.task} was killed by {name}"
        return f"{self.task} ended with exit code {self.exit_code} (its log: {self.log})"


class LocalProcesses:
    """Starts the processes of a cluster; `threads` is for each worker, None shares the cores.

    Each reads its standard input, a pipe from here: it ends when we do, however we do.
    """

    def __init__(self, cluster: Cluster, logs: Path, *, threads: int | None = None) -> None:
        self._cluster = cluster
        self._logs = logs
        self._threads = threads or share_of_cores(usable_cores(), len(cluster.workers))
        self._running: dict[Task, subprocess.Popen[bytes]] = {}

    def start_all(self) -> None:
        """Start all that aren't running."""
        for task in self._cluster.roles:
            if task not in self._running:
                self.start(task)

    def start(self, task: Task) -> None:
        """Start one."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(task).open("ab") as log:
            self._running[task] = subprocess.Popen(
                [sys.executable, "-m", "training", _COMMANDS[task.kind], "--until-eof"],
                env=self._environment(task),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C on a terminal is for the coordinator: steps under way are to end first.
                start_new_session=True,
            )

    def log(self, task: Task) -> Path:
        """Return where a process writes what it says."""
        return self._logs / f"{_COMMANDS[task.kind]}-{task.index}.log"

    def ended(self) -> list[Ended]:
        """Return those that ended since the last call; they count as not running any more."""
        over = [task for task, process in self._running.items() if process.poll() is not None]
        return [self._forget(task) for task in over]

    def end_of(self, task: Task) -> Ended | None:
        """Return how one ended that no longer answers; None for one that still runs.

        The connections of a process are closed before it counts as ended, so this waits a little.
        """
        if task not in self._running:
            return None
        try:
            self._running[task].wait(_STOP_S)
        except subprocess.TimeoutExpired:
            return None
        return self._forget(task)

    def close(self) -> None:
        """End them all and wait until they are gone."""
        for process in self._running.values():
            _close_pipe(process)
        for process in self._running.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _forget(self, task: Task) -> Ended:
        process = self._running.pop(task)
        _close_pipe(process)
        return Ended(task, process.returncode, self.log(task))

    def _environment(self, task: Task) -> dict[str, str]:
        threads = self._threads if task.kind == "worker" else _SERVER_THREADS
        return os.environ | {
            VARIABLE: Place(self._cluster, task).text(),
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": str(max(2, threads)),
        }


def share_of_cores(cores: int, workers: int) -> int:
    """Return how many threads each worker computes with when they share a machine."""
    return max(1, cores // workers)


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
