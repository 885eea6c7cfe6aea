"""The process that the user's command is: starts the ranks, passes signals on, says why they ended.

Horovod's launcher (`horovod.runner`) places the ranks and is their meeting point; how each of them
is run, heard and ended is here, as they are to end together, within seconds, with one line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from horovod.runner.common.util.settings import Settings
from horovod.runner.elastic.settings import ElasticSettings
from horovod.runner.gloo_run import launch_gloo, launch_gloo_elastic
from horovod.runner.http.http_server import RendezvousServer
from horovod.runner.util.threads import on_event

from training.errors import TrainingError
from training.modes.command_line import train_arguments
from training.modes.horovod_discovery import Crowd, Discovery, crowd_of
from training.modes.horovod_hosts import (
    HostSlots,
    address_of,
    address_towards,
    hosts_of,
    interface_towards,
    is_here,
)
from training.modes.horovod_messages import Alive, Ended, Stop
from training.modes.horovod_process import RankProcess
from training.modes.horovod_rank import TERMINAL
from training.modes.horovod_verdict import RankEnd, elastic_error_of, error_of, loss_of
from training.settings import Job, Recipe

# What other hosts need to find Python's modules and libraries, known before a rank can be greeted.
_FOR_START = ("PYTHONPATH", "LD_LIBRARY_PATH")
# What else they are given of the environment: what these packages and their libraries read.
_FOR_RANKS = ("AZURE_", "CUDA_", "HOROVOD_", "HOTSHELF_", "KERAS_", "NCCL_", "OMP_", "TF_", "XLA_")

# Ranks notice the end of another one by themselves; what hasn't by then is ended.
_GRACE_S = 10.0
_ALIVE_S = 10.0


def launch(job: Job, recipe: Recipe, run: Path, *, debug: bool) -> None:
    """Run all ranks to their end. Raises what they raised, or ProcessLost; none is left then."""
    command = [sys.executable, "-m", "training", *train_arguments(job, recipe, run, debug=debug)]
    ssh = shlex.split(job.ssh or "ssh")
    if job.elastic:
        ranks = run_elastic_ranks(command, crowd_of(job), ssh=ssh, debug=debug)
        error = elastic_error_of(ranks.ends, run, ranks.stopped_by)
    else:
        ranks = run_ranks(command, hosts_of(job), ssh=ssh, debug=debug)
        error = error_of(ranks.ends, run, ranks.stopped_by)
    if error is not None:
        raise error


def run_ranks(
    command: Sequence[str], hosts: Sequence[HostSlots], *, ssh: Sequence[str], debug: bool = False
) -> Ranks:
    """Run a command in as many ranks as the hosts have slots, to the end of all of them.

    Takes signals meanwhile; the main thread's only.
    """
    ranks = Ranks(ssh=list(ssh), debug=debug)
    settings = Settings(hosts=",".join(map(str, hosts)), num_proc=sum(each.slots for each in hosts))
    with _signals_to(ranks.stop), _beating(ranks.keep_alive), suppress(RuntimeError):
        # It raises a RuntimeError when a rank fails; which one and why we know better.
        launch_gloo(command, ranks.run, settings, ["lo"], _start_environment(), _meeting_at(hosts))
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

    with _signals_to(ranks.stop), _beating(ranks.keep_alive), suppress(RuntimeError):
        launch_gloo_elastic(
            command,
            ranks.run,
            settings,
            _start_environment(),
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
                _to_stderr(f"{loss_of(end)}\n".encode())
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
            out=_to_stdout if speaks else _to_nowhere,
            err=_to_stderr if speaks or self._debug else _to_nowhere,
        )
        with self._lock:
            self._running.append(process)
        process.greet(_rank_environment())
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


def _start_environment() -> dict[str, str]:
    size = shutil.get_terminal_size()
    terminal = f"{size.columns}x{size.lines}" if sys.stderr.isatty() else "none"
    given = {name: os.environ[name] for name in _FOR_START if name in os.environ}
    return given | {TERMINAL: terminal}


def _rank_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_FOR_RANKS)}


@contextmanager
def _signals_to(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` with each SIGTERM and SIGINT, from a thread.

    Horovod's launcher takes the handlers for itself and doesn't say which signal it was; Python
    writes the number of each signal that has a handler into this pipe as well.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: None)

    def pass_on() -> None:
        while numbers := os.read(read, 64):
            for each in numbers:
                if each in before:
                    stop(each)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    signal.set_wakeup_fd(write)
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(write)
        thread.join()
        os.close(read)


@contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every few seconds, from a thread."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(_ALIVE_S):
            beat()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def _to_stderr(chunk: bytes) -> None:
    sys.stderr.buffer.write(chunk)
    sys.stderr.buffer.flush()


def _to_nowhere(_: object) -> None:
    pass
