"""Who may take part in an elastic run: a program of the user's knows the hosts at the moment."""

from __future__ import annotations

import subprocess

import msgspec

from training.errors import UsageError
from training.modes.horovod_hosts import HostSlots, parse_hosts
from training.settings import Job

_TIMEOUT_S = 30


class Crowd(msgspec.Struct, frozen=True):
    """At least and at most so many ranks, on the hosts that a program names."""

    discovery: str
    least: int
    most: int


def crowd_of(job: Job) -> Crowd:
    """Return who may take part in an elastic job. Raises UsageError when it doesn't say."""
    if job.discovery is None or job.max is None:
        raise UsageError("--elastic needs --discovery PROGRAM and --max N")
    if job.hosts is not None:
        raise UsageError("--elastic asks --discovery for its hosts; leave --hosts out")
    crowd = Crowd(job.discovery, least=job.min or 1, most=job.max)
    if crowd.least > crowd.most:
        raise UsageError(f"--min {crowd.least} is more than --max {crowd.most}")
    return crowd


def hosts_now(program: str) -> list[HostSlots]:
    """Return the hosts that the program prints. Raises UsageError, naming what is wrong.

    It doesn't run in a shell, which would be one process more.
    """
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--discovery {program}: {error}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise UsageError(
            f"--discovery {program} ended with exit code {done.returncode}, saying {said}"
        )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return parse_hosts(",".join(lines)) if lines else []
