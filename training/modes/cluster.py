"""Who is in a cluster of parameter servers and where: what `TF_CONFIG` says."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Literal

import msgspec

from training.errors import UsageError

VARIABLE = "TF_CONFIG"
LOOPBACK = "127.0.0.1"

Kind = Literal["chief", "worker", "ps"]

_NAMES = {"chief": "coordinator", "worker": "worker", "ps": "server"}
_EXAMPLE = (
    '{"cluster": {"chief": ["a:2220"], "worker": ["b:2220", "c:2220"], "ps": ["d:2220"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class Address(msgspec.Struct, frozen=True):
    """Where one process listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Task(msgspec.Struct, frozen=True):
    """One process of the cluster: the chief (which coordinates), a worker or a server (ps)."""

    kind: Kind
    index: int = 0

    def __str__(self) -> str:
        """Return the name that users read."""
        return "the coordinator" if self.kind == "chief" else f"{_NAMES[self.kind]} {self.index}"


class Cluster(msgspec.Struct, frozen=True):
    """Where everybody listens."""

    chief: Address
    workers: tuple[Address, ...]
    servers: tuple[Address, ...]

    def address(self, task: Task) -> Address:
        """Return where a task listens."""
        places = {"chief": (self.chief,), "worker": self.workers, "ps": self.servers}
        return places[task.kind][task.index]

    @property
    def roles(self) -> list[Task]:
        """Return all tasks but the chief, servers first: workers are of no use without them."""
        servers = [Task("ps", index) for index in range(len(self.servers))]
        return servers + [Task("worker", index) for index in range(len(self.workers))]

    def spec(self) -> dict[str, list[str]]:
        """Return the cluster as `tf.train.ClusterSpec` takes it."""
        return {
            "chief": [str(self.chief)],
            "worker": [str(address) for address in self.workers],
            "ps": [str(address) for address in self.servers],
        }


class Place(msgspec.Struct, frozen=True):
    """A cluster, and which of its tasks this process is."""

    cluster: Cluster
    task: Task

    def text(self) -> str:
        """Return what `read_place` reads."""
        task = {"type": self.task.kind, "index": self.task.index}
        return msgspec.json.encode({"cluster": self.cluster.spec(), "task": task}).decode()


class _Lists(msgspec.Struct):
    chief: list[str] = []
    worker: list[str] = []
    ps: list[str] = []


class _Task(msgspec.Struct):
    type: str = ""
    index: int = 0


class _Config(msgspec.Struct):
    cluster: _Lists
    task: _Task


def find_place(environment: Mapping[str, str]) -> Place | None:
    """Return what `TF_CONFIG` says, None where it isn't set. Raises UsageError."""
    text = environment.get(VARIABLE, "")
    return read_place(text) if text.strip() else None


def read_place(text: str) -> Place:
    """Return the place that a `TF_CONFIG` describes. Raises UsageError, saying what is wrong."""
    try:
        config = msgspec.json.decode(text, type=_Config, strict=False)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _wrong(str(error)) from None
    cluster = _cluster(config.cluster)
    task = _task(config.task, config.cluster)
    return Place(cluster, task)


def local_cluster(workers: int, servers: int) -> Cluster:
    """Return a cluster on this machine, on ports that are free now."""
    with ExitStack() as held:
        found = []
        for _ in range(1 + workers + servers):
            # All are held until all are found, or one might be found twice.
            listener = held.enter_context(socket.socket())
            listener.bind((LOOPBACK, 0))
            found.append(Address(LOOPBACK, listener.getsockname()[1]))
    return Cluster(found[0], tuple(found[1 : 1 + workers]), tuple(found[1 + workers :]))


def check_port(place: Place) -> None:
    """Raise UsageError when something listens already where this process is to."""
    address = place.cluster.address(place.task)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", address.port))
        except OSError as error:
            raise UsageError(
                f"port {address.port}, where {place.task} is to listen: {error.strerror}; end "
                f"what uses it, or give another one in the {VARIABLE} of all machines"
            ) from None


def _cluster(lists: _Lists) -> Cluster:
    places = {name: _addresses(name, getattr(lists, name)) for name in ("chief", "worker", "ps")}
    for name, addresses in places.items():
        if not addresses:
            raise _wrong(f'cluster has no "{name}"')
    if len(places["chief"]) > 1:
        raise _wrong(f'cluster has {len(places["chief"])} of "chief", it can have one')
    everywhere = [address for addresses in places.values() for address in addresses]
    for address in everywhere:
        if everywhere.count(address) > 1:
            raise _wrong(f"{address} is in it more than once")
    return Cluster(places["chief"][0], places["worker"], places["ps"])


def _addresses(name: str, texts: list[str]) -> tuple[Address, ...]:
    return tuple(_address(name, text) for text in texts)


def _address(name: str, text: str) -> Address:
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise _wrong(f'"{text}" among "{name}" isn\'t host:port')
    return Address(bare, int(port))


def _task(task: _Task, lists: _Lists) -> Task:
    if task.type not in _NAMES:
        raise _wrong(f'the task\'s type is "{task.type}", it can be chief, worker or ps')
    known = len(getattr(lists, task.type))
    if not 0 <= task.index < known:
        raise _wrong(f'task is {task.type} {task.index}, cluster has {known} of "{task.type}"')
    kind: Kind = task.type  # type: ignore[assignment] # one of the three, as checked above
    return Task(kind, task.index)


def _wrong(fact: str) -> UsageError:
    return UsageError(f"{VARIABLE}: {fact}; it looks like this: {_EXAMPLE}")
