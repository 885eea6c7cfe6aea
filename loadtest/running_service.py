"""The service that is to be tested: the one that runs, or one that is started for the run."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

# A first model may have to be trained.
_READY_WITHIN_S = 900.0
_BETWEEN_LOOKS_S = 0.3
_STOP_S = 40.0


class ServiceError(Exception):
    """There is no service to test; the message says what to do."""


@contextlib.contextmanager
def service_at(url: str, start: str | None, log: Path) -> Iterator[None]:
    """Have a ready service at a URL; one that is started is stopped in the end.

    Raises ServiceError if there is none and none can be started.
    """
    if is_ready(url):
        yield
        return
    if not start:
        raise ServiceError(f"no service is ready at {url}; start one, or say how with --start")
    sys.stdout.write(f"No service at {url} yet; starting one ({start}), log in {log}\n")
    sys.stdout.flush()
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(start),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_until_ready(url, process, log)
        yield
    finally:
        _stop(process)


def is_ready(url: str) -> bool:
    """Say whether predictions are answered at a URL."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until_s = time.monotonic() + _READY_WITHIN_S
    while not is_ready(url):
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise ServiceError("the service ended before it was ready:\n" + "\n".join(said))
        if time.monotonic() > until_s:
            raise ServiceError(f"the service wasn't ready within {_READY_WITHIN_S:g} s; see {log}")
        time.sleep(_BETWEEN_LOOKS_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop all that was started, kindly first."""
    for each, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, each)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
