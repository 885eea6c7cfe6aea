"""Which hosts a Horovod run uses, with how many processes each, and how they are reached."""

from __future__ import annotations

import re
import socket

import msgspec
import psutil

from training.errors import UsageError
from training.settings import Job

_HOST = re.compile(r"(?P<name>[A-Za-z0-9_.][A-Za-z0-9_.-]*):(?P<slots>[1-9][0-9]*)")
_DISCARD_PORT = 9


class HostSlots(msgspec.Struct, frozen=True):
    """A host and how many ranks run on it."""

    name: str
    slots: int

    def __str__(self) -> str:
        """Return it as Horovod wants it."""
        return f"{self.name}:{self.slots}"


def hosts_of(job: Job) -> list[HostSlots]:
    """Return the hosts of a `horovod` or `horovod-cluster` job, in the order of their ranks.

    Raises UsageError when the job doesn't say how many processes there are to be.
    """
    if job.mode == "horovod":
        if job.processes is None:
            raise UsageError("--mode horovod needs --processes N, the number of devices to use")
        return [HostSlots("localhost", job.processes)]
    if job.hosts is None:
        raise UsageError("--mode horovod-cluster needs --hosts HOST:PROCESSES,HOST:PROCESSES")
    return parse_hosts(job.hosts)


def parse_hosts(text: str) -> list[HostSlots]:
    """Return the hosts of `a:2,b:2`. Raises UsageError, naming the part that isn't right."""
    hosts = []
    for part in text.split(","):
        match = _HOST.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"--hosts {text}: {part.strip()!r} isn't HOST:PROCESSES, such as a:2")
        hosts.append(HostSlots(match["name"], int(match["slots"])))
    names = [host.name for host in hosts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--hosts {text}: {name} is named twice")
    return hosts


def is_here(name: str) -> bool:
    """Return whether a host's name stands for this machine. Raises UsageError when for none."""
    return address_of(name) in _addresses()


def address_of(name: str) -> str:
    """Return the IPv4 address of a host. Raises UsageError when its name stands for none."""
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise UsageError(f"--hosts: {name} isn't the name of a host ({error.strerror})") from None


def address_towards(address: str) -> str:
    """Return the address of this machine that others at `address` reach it by.

    Raises UsageError when there is no way there. Nothing is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _DISCARD_PORT))
        except OSError as error:
            raise UsageError(f"--hosts: no route to {address} ({error.strerror})") from None
        here: str = probe.getsockname()[0]
    return here


def interface_towards(address: str) -> str:
    """Return the name of the network interface through which `address` is reached."""
    here = address_towards(address)
    for name, addresses in psutil.net_if_addrs().items():
        if any(item.address == here for item in addresses):
            return name
    raise UsageError(f"no network interface has the address {here}")


def _addresses() -> set[str]:
    interfaces = psutil.net_if_addrs().values()
    return {item.address for items in interfaces for item in items if item.family == socket.AF_INET}
