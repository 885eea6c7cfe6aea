"""Which workers and servers answer, asked every two seconds, away from what waits for steps."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from training.errors import ProcessLost
from training.modes.cluster import Address, Cluster, Task

_EVERY_S = 2.0
_TIMEOUT_S = 5.0
_AGAIN_S = 0.5
# As long as a worker or server may be silent before that is said.
NOTED_S = 10.0
# A server that was started again has lost what it held, but one may also be busy for a while.
SERVER_LOST_S = 30.0

# How an HTTP/2 connection begins: the client's preface with empty settings; the other side answers
# with a frame of type 4, its settings (RFC 9113, 3.4 and 6.5).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_HEAD = 9
_SETTINGS = 4


def answers(address: Address, *, timeout_s: float = _TIMEOUT_S) -> bool:
    """Return whether a process that speaks gRPC is there, and runs.

    The system accepts connections for a process that is frozen too; it doesn't answer for it.
    """
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s) as probe:
            probe.sendall(_PREFACE)
            with probe.makefile("rb") as answer:
                head = answer.read(_FRAME_HEAD)
    except OSError:
        return False
    return len(head) == _FRAME_HEAD and head[3] == _SETTINGS


class Watch:
    """Knows for how long each worker and each server has been silent."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        answers: Callable[[Address], bool] = answers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._answers = answers
        self._clock = clock
        self._heard = dict.fromkeys(cluster.roles, clock())
        self._silent: set[Task] = set()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._run, name="cluster-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def ask(self) -> list[Task]:
        """Ask all once, at the same time; return those that don't answer."""
        roles = self._cluster.roles
        with ThreadPoolExecutor(len(roles)) as pool:
            found = list(pool.map(self._answers, map(self._cluster.address, roles)))
        now = self._clock()
        self._heard |= {task: now for task, answered in zip(roles, found, strict=True) if answered}
        return [task for task, answered in zip(roles, found, strict=True) if not answered]

    def silences(self) -> dict[Task, float]:
        """Return for how many seconds each hasn't answered."""
        now = self._clock()
        return {task: now - heard for task, heard in self._heard.items()}

    def news(self) -> list[str]:
        """Return a line for each worker that fell silent or is back since the last call."""
        silences = self.silences()
        silent = {
            task
            for task, silence in silences.items()
            if task.kind == "worker" and silence > NOTED_S
        }
        count = len(self._cluster.workers)
        left = count - len(silent)
        effect = f"the run goes on with {left} of {count} workers" if left else "the run waits"
        lines = [
            f"{task} at {self._cluster.address(task)} doesn't answer; {effect}"
            for task in sorted(silent - self._silent, key=str)
        ]
        lines += [
            f"{task} at {self._cluster.address(task)} answers again"
            for task in sorted(self._silent - silent, key=str)
        ]
        self._silent = silent
        return lines

    def _run(self) -> None:
        while not self._end.wait(_EVERY_S):
            self.ask()


def await_all(
    watch: Watch,
    cluster: Cluster,
    *,
    patience_s: float,
    check: Callable[[], None],
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when everybody has answered; `check` may raise what makes waiting useless.

    Raises ProcessLost, naming who didn't within `patience_s`.
    """
    until = clock() + patience_s
    while silent := watch.ask():
        check()
        if clock() >= until:
            raise ProcessLost(f"{_nobody_at(silent, cluster, patience_s)}; {_how_to_start(silent)}")
        pause(_AGAIN_S)


def lost_too_long(
    silences: Mapping[Task, float], *, waited_s: float, patience_s: float
) -> list[Task]:
    """Return the servers, or else the workers, without which a step that is waited for can't end.

    Servers after a few seconds: what they held is gone. Workers after `patience_s`: they may come
    back, and others train meanwhile; but a step that one took along holds up the run.
    """
    servers = [task for task, silence in silences.items() if _is_lost_server(task, silence)]
    if servers:
        return servers
    if waited_s < patience_s:
        return []
    return [
        task for task, silence in silences.items() if task.kind == "worker" and silence > NOTED_S
    ]


def _is_lost_server(task: Task, silence: float) -> bool:
    return task.kind == "ps" and silence > SERVER_LOST_S


def _nobody_at(tasks: Sequence[Task], cluster: Cluster, patience_s: float) -> str:
    names = ", ".join(f"{task} at {cluster.address(task)}" for task in tasks)
    return f"nobody answers as {names} after {patience_s:g} s"


def _how_to_start(tasks: Sequence[Task]) -> str:
    kinds = {"worker": "python -m training worker", "ps": "python -m training server"}
    commands = " and ".join(sorted({kinds[task.kind] for task in tasks}))
    return f"start {commands} there with the same TF_CONFIG, or give more --patience"
