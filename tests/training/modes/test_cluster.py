"""What `TF_CONFIG` says, and what is said when it says nonsense."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from training.errors import UsageError
from training.modes.choose import check_mode
from training.modes.cluster import (
    Address,
    Cluster,
    Place,
    Task,
    check_port,
    find_place,
    local_cluster,
    read_place,
)
from training.modes.cluster_processes import LocalProcesses
from training.modes.parameter_server_run import Size, size_of
from training.settings import Job, Recipe

CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["[fe80::1]:2222"]}


def text(cluster: Any = CLUSTER, kind: str = "worker", index: int | str = 1) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_the_place_of_a_process_is_read_and_written() -> None:
    place = read_place(text())
    assert place.task == Task("worker", 1)
    assert str(place.task) == "worker 1"
    assert place.cluster.address(place.task) == Address("c", 1)
    assert place.cluster.servers == (Address("fe80::1", 2222),)
    assert place.cluster.roles == [Task("ps", 0), Task("worker", 0), Task("worker", 1)]
    assert read_place(place.text()) == place
    assert place.cluster.spec() == CLUSTER


def test_an_index_may_be_text_as_some_schedulers_write_it() -> None:
    assert read_place(text(kind="chief", index="0")).task == Task("chief", 0)


def test_without_the_variable_there_is_no_place() -> None:
    assert find_place({}) is None
    assert find_place({"TF_CONFIG": " "}) is None
    assert find_place({"TF_CONFIG": text()}) == read_place(text())


@pytest.mark.parametrize(
    ("config", "fact"),
    [
        ("{", "TF_CONFIG: Input data was truncated"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `cluster`"),
        (json.dumps({"cluster": CLUSTER}), "missing required field `task`"),
        (text({**CLUSTER, "ps": []}), 'cluster has no "ps"'),
        (text({"worker": ["b:1"], "ps": ["d:1"]}), 'cluster has no "chief"'),
        (text({**CLUSTER, "chief": ["a:1", "e:1"]}), 'has 2 of "chief"'),
        (text({**CLUSTER, "ps": ["d"]}), '"d" among "ps" isn\'t host:port'),
        (text({**CLUSTER, "ps": ["d:70000"]}), '"d:70000" among "ps" isn\'t host:port'),
        (text({**CLUSTER, "ps": [":1"]}), '":1" among "ps" isn\'t host:port'),
        (text({**CLUSTER, "ps": ["b:1"]}), "b:1 is in it more than once"),
        (text(index=2), 'task is worker 2, cluster has 2 of "worker"'),
        (text(index=-1), 'task is worker -1, cluster has 2 of "worker"'),
        (text(kind="evaluator"), 'type is "evaluator", it can be chief, worker or ps'),
        (text(kind=""), 'type is ""'),
        ("\udcff", "TF_CONFIG: "),
    ],
)
def test_a_malformed_variable_is_refused_with_what_is_wrong_and_how_it_looks(
    config: str, fact: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_place(config)
    assert fact in str(caught.value)
    assert '"task": {"type": "worker", "index": 0}' in str(caught.value)


def test_a_cluster_of_one_machine_has_a_port_for_everybody_on_loopback() -> None:
    cluster = local_cluster(workers=3, servers=2)
    addresses = [cluster.address(task) for task in [Task("chief"), *cluster.roles]]
    assert len({address.port for address in addresses}) == 6
    assert {address.host for address in addresses} == {"127.0.0.1"}


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        here = Address("127.0.0.1", port)
        place = Place(Cluster(here, (Address("b", 1),), (Address("c", 1),)), Task("chief"))
        with pytest.raises(UsageError, match=f"port {port}, where the coordinator is to listen"):
            check_port(place)
    check_port(place)


def test_the_size_comes_from_the_options_or_from_the_variable() -> None:
    place = read_place(text(kind="chief", index=0))
    assert size_of(Job(workers=3, servers=2), None) == Size(3, 2)
    assert size_of(Job(workers=3), None) == Size(3, 1)
    assert size_of(Job(), place) == Size(2, 1)
    assert size_of(Job(workers=2, servers=1), place) == Size(2, 1)
    with pytest.raises(UsageError, match="--servers 2: TF_CONFIG has 1"):
        size_of(Job(servers=2), place)
    with pytest.raises(UsageError, match="needs --workers N"):
        size_of(Job(), None)


def test_workers_share_the_cores_that_this_process_may_use(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        processes = LocalProcesses(local_cluster(workers=1, servers=1), tmp_path)
    finally:
        os.sched_setaffinity(0, before)
    others = psutil.Process().children()
    processes.start(Task("worker", 0))
    try:
        (worker,) = (each for each in psutil.Process().children() if each not in others)
        assert worker.environ()["TF_NUM_INTRAOP_THREADS"] == "1"
    finally:
        processes.close()


def test_the_end_of_a_process_is_waited_for_that_is_lost_already(tmp_path: Path) -> None:
    processes = LocalProcesses(local_cluster(workers=1, servers=1), tmp_path)
    others = psutil.Process().children()
    server = Task("ps", 0)
    processes.start(server)
    try:
        (running,) = (each for each in psutil.Process().children() if each not in others)
        running.kill()
        # Its connections are closed before it is gone: who is told of them asks in between.
        ended = processes.end_of(server)
        assert str(ended) == "server 0 was killed by SIGKILL"
        assert processes.end_of(server) is None
    finally:
        processes.close()


def test_xla_is_refused_where_variables_are_elsewhere() -> None:
    check_mode(Job(mode="ps", workers=2), Recipe())
    with pytest.raises(UsageError, match="--xla: XLA can't read variables of other machines"):
        check_mode(Job(mode="ps", workers=2), Recipe(xla=True, deterministic=False))
