"""Who is said to be lost, back, or lost for too long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from training.errors import ProcessLost
from training.modes.cluster import Address, Cluster, Task
from training.modes.cluster_watch import Watch, answers, await_all, lost_too_long

CLUSTER = Cluster(
    Address("a", 1), (Address("b", 1), Address("c", 1)), (Address("d", 1), Address("e", 1))
)
SERVERS = [Task("ps", 0), Task("ps", 1)]
WORKERS = [Task("worker", 0), Task("worker", 1)]


class Network:
    """Answers for everybody but those who are down, at a time that only tests move on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.down: set[str] = set()

    def answers(self, address: Address) -> bool:
        return address.host not in self.down

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def watch(self) -> Watch:
        return Watch(CLUSTER, answers=self.answers, clock=lambda: self.now)


def test_a_worker_that_falls_silent_is_said_once_and_so_is_its_return() -> None:
    network = Network()
    watch = network.watch()
    network.down.add("c")
    network.pause(2)
    assert watch.ask() == [WORKERS[1]]
    assert watch.news() == []
    network.pause(9)
    watch.ask()
    assert watch.news() == ["worker 1 at c:1 doesn't answer; the run goes on with 1 of 2 workers"]
    assert watch.news() == []
    network.down.add("b")
    network.pause(11)
    watch.ask()
    assert watch.news() == ["worker 0 at b:1 doesn't answer; the run waits"]
    network.down.clear()
    assert watch.ask() == []
    assert watch.news() == ["worker 0 at b:1 answers again", "worker 1 at c:1 answers again"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # The head of a frame with settings of six bytes, as gRPC sends it.
        (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00abcdef", True),
        (b"HTTP/1.1 400 Bad Request\r\n", False),
        (b"", False),
        (None, False),
    ],
)
def test_only_what_speaks_grpc_answers(words: bytes | None, *, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                if words is None:
                    # Frozen: neither an answer nor an end, until the other side has given up.
                    connection.recv(100)
                else:
                    connection.sendall(words)

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        assert answers(Address("127.0.0.1", port), timeout_s=0.5) is expected
        thread.join()
    assert not answers(Address("127.0.0.1", port), timeout_s=0.5)


def wait(network: Network, *, check: Callable[[], None] = lambda: None) -> None:
    await_all(
        network.watch(),
        CLUSTER,
        patience_s=30,
        check=check,
        pause=network.pause,
        clock=lambda: network.now,
    )


def test_nobody_is_waited_for_when_all_answer() -> None:
    network = Network()
    wait(network)
    assert network.now == 100.0


def test_those_who_never_answer_are_named_with_how_to_start_them() -> None:
    network = Network()
    network.down = {"c", "e"}
    with pytest.raises(ProcessLost) as caught:
        wait(network)
    assert network.now == pytest.approx(130.0)
    assert "nobody answers as server 1 at e:1, worker 1 at c:1 after 30 s" in str(caught.value)
    assert "python -m training server and python -m training worker" in str(caught.value)


def test_waiting_ends_when_the_check_says_that_it_is_useless() -> None:
    network = Network()
    network.down = {"c"}

    def check() -> None:
        raise ProcessLost("worker 1 ended with exit code 1")

    with pytest.raises(ProcessLost, match="exit code 1"):
        wait(network, check=check)


@pytest.mark.parametrize(
    ("silences", "waited_s", "lost"),
    [
        ({}, 1000.0, []),
        # A server is lost after some seconds, with whatever it held.
        ({SERVERS[1]: 29.0}, 29.0, []),
        ({SERVERS[1]: 31.0}, 0.0, [SERVERS[1]]),
        ({SERVERS[0]: 31.0, WORKERS[0]: 500.0}, 500.0, [SERVERS[0]]),
        # A worker only when a step is waited for longer than the patience.
        ({WORKERS[0]: 500.0}, 299.0, []),
        ({WORKERS[0]: 500.0}, 300.0, [WORKERS[0]]),
        ({WORKERS[0]: 301.0, WORKERS[1]: 302.0}, 301.0, WORKERS),
        # A slow step with everybody there is just slow.
        ({WORKERS[0]: 1.0, WORKERS[1]: 2.0, SERVERS[0]: 2.0}, 5000.0, []),
    ],
)
def test_who_is_lost_for_too_long(
    silences: dict[Task, float], waited_s: float, lost: list[Task]
) -> None:
    everybody = dict.fromkeys(CLUSTER.roles, 0.0) | silences
    assert lost_too_long(everybody, waited_s=waited_s, patience_s=300.0) == lost
