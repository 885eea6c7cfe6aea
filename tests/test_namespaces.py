"""The hosts that other tests run on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.namespaces import Host, connected_hosts, needs_hosts, ssh_between

pytestmark = [pytest.mark.system, needs_hosts]


def test_hosts_reach_each_other_by_ssh_and_nobody_else(tmp_path: Path) -> None:
    with connected_hosts(2) as (a, b), ssh_between([a, b], tmp_path) as ssh:
        command = a.command([*ssh, b.address, "ip -brief address show eth0"])
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, done.stderr
        assert f"{b.address}/24" in done.stdout
        routes = subprocess.run(
            a.command(["ip", "route"]), capture_output=True, text=True, check=True
        )
        assert routes.stdout.split()[0] == "10.77.0.0/24"
        assert "default" not in routes.stdout


def test_nothing_is_left_of_a_host_when_its_test_fails() -> None:
    def fail_on(host: Host) -> None:
        process = host.start(
            [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"],
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        # One that isn't on the host yet finds none, and ends by itself.
        assert process.stdout is not None
        with process.stdout as said:
            assert said.readline() == "here\n"
        raise RuntimeError

    processes: list[subprocess.Popen[str]] = []
    with pytest.raises(RuntimeError), connected_hosts(1) as (host,):
        fail_on(host)
    assert [process.wait(timeout=5) for process in processes] == [-signal.SIGKILL]
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert host.namespace not in listed.stdout
