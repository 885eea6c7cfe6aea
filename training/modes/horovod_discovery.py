"""Which hosts an elastic run has at the moment, as Horovod asks for them."""

from __future__ import annotations

from horovod.runner.elastic.discovery import HostDiscovery

from training.modes.horovod_crowd import hosts_now


class Discovery(HostDiscovery):
    """Runs the user's program whenever Horovod asks."""

    def __init__(self, program: str) -> None:
        self._program = program

    def find_available_hosts_and_slots(self) -> dict[str, int]:
        """Return how many ranks may run on each host. Raises UsageError, naming what is wrong."""
        return {host.name: host.slots for host in hosts_now(self._program)}
