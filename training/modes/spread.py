"""Over how much a job is spread, as its settings say it; starts nothing."""

from __future__ import annotations

import os

import msgspec

from training.settings import Job


class Spread(msgspec.Struct, frozen=True):
    """Devices that compute, hosts they are on, and parts that a global batch has.

    With parameter servers each step is one worker's, so that its batch has one part.
    """

    devices: int
    hosts: int
    parts: int


def spread_of(job: Job) -> Spread:
    """Return it. Raises UsageError when the job doesn't say how many processes there are to be."""
    if job.mode == "single":
        return Spread(devices=1, hosts=1, parts=1)
    if job.mode == "ps":
        from training.modes.cluster import find_place
        from training.modes.parameter_server_run import size_of

        place = find_place(os.environ)
        machines = {address.host for address in place.cluster.workers} if place else {"here"}
        return Spread(devices=size_of(job, place).workers, hosts=len(machines), parts=1)
    from training.modes.horovod_hosts import hosts_of

    hosts = hosts_of(job)
    ranks = sum(host.slots for host in hosts)
    return Spread(devices=ranks, hosts=len(hosts), parts=ranks)
