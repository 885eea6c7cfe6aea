"""Over how much a job is spread, as its settings say it; starts no rank, worker or server."""

from __future__ import annotations

import os

import msgspec

from training.settings import Job


class Spread(msgspec.Struct, frozen=True):
    """Devices that compute, hosts they are on, and parts that a global batch has.

    With parameter servers each step is one worker's, so that its batch has one part. An elastic
    run counts as one of as many devices as it may have.
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
    if job.elastic:
        from training.modes.horovod_crowd import crowd_of, hosts_now

        crowd = crowd_of(job)
        there = len(hosts_now(crowd.discovery))
        hosts_used = max(1, min(there, crowd.most))
        return Spread(devices=crowd.most, hosts=hosts_used, parts=crowd.most)
    from training.modes.horovod_hosts import hosts_of

    hosts = hosts_of(job)
    ranks = sum(host.slots for host in hosts)
    return Spread(devices=ranks, hosts=len(hosts), parts=ranks)
