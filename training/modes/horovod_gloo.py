"""Ranks that meet over Gloo: started by Horovod, heard and ended by us.

Horovod's launcher (`horovod.runner`) places the ranks and is their meeting point; how each of them
is run, heard and ended is here, as they are to end together, within seconds, with one line.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from horovod.runner.common.util.settings import Settings
from horovod.runner.elastic.settings import ElasticSettings
from horovod.runner.gloo_run import launch_gloo, launch_gloo_elastic
from horovod.runner.http.http_server import RendezvousServer
from horovod.runner.util.threads import on_event

from training.errors import TrainingError
from training.modes.horovod_crowd import Crowd
from training.modes.horovod_discovery import Discovery
from training.modes.horovod_environment import rank_environment, start_environment
from training.modes.horovod_hosts import (
    HostSlots,
    address_of,
    address_towards,
    interface_towards,
    is_here,
)
from training.modes.horovod_messages import Alive, Ended, Stop
from training.modes.horovod_process import RankProcess
from training.modes.horovod_relay import relaying, to_nowhere, to_stderr, to_stdout
from training.modes.horovod_verdict import RankEnd, loss_of

# Ranks notice the end of another one by themselves; what hasn't by then is ended.
_GRACE_S = 10.0


def run_ranks(
    command: Sequence[str], hosts: Sequence[HostSlots], *, ssh: Sequence[str], debug: bool = False
) -> Ranks:
    """Run a command in as many ranks as the hosts have slots, to the end of all of them.

    Takes signals meanwhile; the main thread's only.
    """
    ranks = Ranks(ssh=list(ssh), debug=debug)
    settings = Settings(hosts=",".join(map(str, hosts)), num_proc=sum(each.slots for each in hosts))
    with relaying(ranks.stop, ranks.keep_alive), suppress(RuntimeError):
        # It raises a RuntimeError when a rank fails; which one and why we know better.
        launch_gloo(command, ranks.run, settings, ["lo"], start_environment(), _meeting_at(hosts))
    return ranks


def run_elastic_ranks(
    command: Sequence[str], crowd: Crowd, *, ssh: Sequence[str], debug: bool = False
) -> Ranks:
    """Run a command on the hosts that there are at any time, to the end of all ranks.

    Takes signals meanwhile; the main thread's only.
    """
    ranks = Ranks(ssh=list(ssh), debug=debug, elastic=True)
    settings = ElasticSettings(
        discovery=Discovery(crowd.discovery),
        num_proc=crowd.least,
        min_num_proc=crowd.least,
        max_num_proc=crowd.most,
        elastic_timeout=None,
        reset_limit=None,
    )

    def interfaces(driver: Any) -> list[str]:
        found = driver.wait_for_available_slots(crowd.least).host_assignment_order
        return [interface_towards(_meeting_at([HostSlots(name, 1) for name in found]))]

    with relaying(ranks.stop, ranks.keep_alive), suppress(RuntimeError):
        launch_gloo_elastic(
            command,
            ranks.run,
            settings,
            start_environment(),
            interfaces,
            RendezvousServer(),
            sys.executable,
        )
    return ranks


class Ranks:
    """The running ranks, and how those that ended did."""

    def __init__(self, *, ssh: list[str], debug: bool, elastic: bool = False) -> None:
        """With `elastic`, one that fails is Horovod's matter, which says when others are to end."""
        self.ends: list[RankEnd] = []
        self.stopped_by: int | None = None
        self._ssh = ssh
        self._debug = debug
        self._elastic = elastic
        self._lock = threading.Lock()
        self._running: list[RankProcess] = []
        self._end_others: threading.Timer | None = None

    def run(self, command: str, slot: Any, events: list[threading.Event]) -> tuple[int, float]:
        """Run one rank to its end; called by Horovod, in a thread for each rank.

        `command` is for a shell. Return the exit code and the time, as Horovod wants it.
        """
        try:
            end = self._run(command, slot.rank, slot.hostname, events)
        except TrainingError as error:
            report = Ended(str(error), error.exit_code)
            end = RankEnd(
                rank=slot.rank, host=slot.hostname, exit_code=error.exit_code, report=report
            )
        with self._lock:
            self.ends.append(end)
            if self._elastic and end.is_cause:
                to_stderr(f"{loss_of(end)}\n".encode())
            elif end.is_failure and not self._elastic and self._end_others is None:
                self._end_others = threading.Timer(_GRACE_S, self._end_all)
                self._end_others.daemon = True
                self._end_others.start()
        return end.exit_code, time.time()

    def _run(
        self, command: str, rank: int, host: str, events: Sequence[threading.Event]
    ) -> RankEnd:
        process = self._start(command, rank, host)
        over = threading.Event()
        # The first event is Horovod's way to hear of a signal, on which ranks are to stop in order.
        for event in events[1:] if self._elastic else ():
            on_event(event, process.end, stop=over, silent=True)
        end = process.wait()
        over.set()
        with self._lock:
            self._running.remove(process)
        return end

    def stop(self, signal_number: int) -> None:
        """Pass a signal on to all ranks, which agree on the step to stop after."""
        self.stopped_by = signal_number
        for process in self._all():
            process.tell(Stop(signal_number))

    def keep_alive(self) -> None:
        """Tell all ranks that they aren't alone."""
        for process in self._all():
            process.tell(Alive())

    def _start(self, command: str, rank: int, host: str) -> RankProcess:
        # A rank says what is for the user while its number is 0, which may change in elastic runs.
        speaks = rank == 0 or self._elastic
        process = RankProcess(
            command,
            rank=rank,
            host=host,
            ssh=[] if is_here(host) else self._ssh,
            out=to_stdout if speaks else to_nowhere,
            err=to_stderr if speaks or self._debug else to_nowhere,
        )
        with self._lock:
            self._running.append(process)
        process.greet(rank_environment())
        if self.stopped_by is not None:
            process.tell(Stop(self.stopped_by))
        return process

    def _all(self) -> list[RankProcess]:
        with self._lock:
            return list(self._running)

    def _end_all(self) -> None:
        for process in self._all():
            process.end()


def _meeting_at(hosts: Sequence[HostSlots]) -> str:
    """Return the address of this machine that all ranks reach."""
    for host in hosts:
        if not is_here(host.name):
            return address_towards(address_of(host.name))
    return "127.0.0.1"
