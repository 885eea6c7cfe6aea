"""A process that the launcher has started and talks to: one rank, or mpirun with all of them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from training.modes.horovod_messages import Ended, Hello, Order, read_report, write_order
from training.modes.horovod_verdict import RankEnd

# A host that doesn't answer for 15 s is lost.
SSH_OPTIONS = (
    *("-T", "-oBatchMode=yes", "-oConnectTimeout=10"),
    *("-oServerAliveInterval=5", "-oServerAliveCountMax=3"),
)
_CHUNK = 65536


class LaunchedProcess:
    """Hears orders on its standard input; a session of its own, as Ctrl-C is for the launcher.

    `let_go_s` is how long it has to end by itself when it hears no launcher any more.
    """

    let_go_s = 3.0

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self._ended_by_us = False
        self._writing = threading.Lock()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._input, self._output, self._errors = _pipes(self._process)

    def tell(self, order: Order) -> None:
        """Send an order, unless the process has ended."""
        with self._writing, suppress(OSError, ValueError):
            self._input.write(write_order(order))
            self._input.flush()

    def let_go(self) -> None:
        """Have it end at once: it does when it hears no launcher any more."""
        self._ended_by_us = True
        with self._writing, suppress(OSError, ValueError):
            self._input.close()

    def kill(self) -> None:
        """Kill what is of it on this machine; what is elsewhere ends as its connection does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Have it end, now or within seconds."""
        self.let_go()
        killer = threading.Timer(self.let_go_s, self.kill)
        killer.daemon = True
        killer.start()

    def _close_pipes(self) -> None:
        with self._writing, suppress(OSError):
            self._input.close()
        self._output.close()
        self._errors.close()


class RankProcess(LaunchedProcess):
    """A started rank: a process here, or an ssh session to one elsewhere.

    Its output goes to `out` by lines and to `err` as it comes. `ssh` is the command that logs in to
    its host, empty for this one.
    """

    def __init__(
        self,
        command: str,
        *,
        rank: int,
        host: str,
        ssh: list[str],
        out: Callable[[str], None],
        err: Callable[[bytes], None],
    ) -> None:
        self.rank = rank
        self.host = host
        self._remote = bool(ssh)
        self._out = out
        self._err = err
        self._report: Ended | None = None
        self._last_said = b""
        there = f"cd {shlex.quote(str(Path.cwd()))} && exec {command}"
        super().__init__(
            [*ssh, *SSH_OPTIONS, host, there] if ssh else ["/bin/sh", "-c", f"exec {command}"]
        )

    def greet(self, environment: dict[str, str]) -> None:
        """Send what the rank waits for; other hosts get the environment, this one has it."""
        self.tell(Hello(environment if self._remote else {}))

    def wait(self) -> RankEnd:
        """Pass on what the rank writes until it ends; return how it did."""
        reader = threading.Thread(target=self._read_stderr, daemon=True)
        reader.start()
        threading.Thread(target=self._end_its_own, daemon=True).start()
        self._read_stdout()
        reader.join()
        exit_code = self._process.wait()
        self._close_pipes()
        return RankEnd(
            rank=self.rank,
            host=self.host,
            exit_code=exit_code,
            remote=self._remote,
            report=self._report,
            ended_by_us=self._ended_by_us,
            last_line=_last_line(self._last_said),
        )

    def _end_its_own(self) -> None:
        """End what the rank has started and left behind; it would keep the pipes open too."""
        self._process.wait()
        self.kill()

    def _read_stdout(self) -> None:
        for raw in self._output:
            line = raw.decode(errors="replace")
            report = read_report(line)
            if report is None:
                self._out(line)
            else:
                self._report = report

    def _read_stderr(self) -> None:
        while chunk := os.read(self._errors.fileno(), _CHUNK):
            self._last_said = (self._last_said + chunk)[-_CHUNK:]
            self._err(chunk)


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("a process is started with three pipes")
    return process.stdin, process.stdout, process.stderr
