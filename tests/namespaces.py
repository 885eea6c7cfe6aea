"""Several hosts on one machine: network namespaces with their own addresses, and sshd on each.

    with connected_hosts(2) as (a, b):
        server = b.start([sys.executable, "-m", "http.server", "--bind", b.address])
        subprocess.run(a.command(["curl", f"http://{b.address}:8000"]), check=True, timeout=10)

    with connected_hosts(2) as (a, b), ssh_between([a, b], tmp_path) as ssh:
        subprocess.run(a.command([*ssh, b.address, "true"]), check=True, timeout=10)

Files, users and process numbers are shared with this machine; addresses, ports and routes are not:
each host has `lo` and `eth0` (10.77.0.N/24), all of them meet at one bridge, and nothing leads out
of it. `link` (a `tc` specification) delays and limits what each host sends. What still runs in a
namespace when the block ends is killed. Needs root; tests that use it are marked `needs_hosts`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.eventually import eventually

PREFIX = "hotshelf"
_SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

needs_hosts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or _SSHD is None,
    reason="hosts in network namespaces need root, iproute2 and openssh-server",
)


class Host(msgspec.Struct, frozen=True):
    """One namespace and its address."""

    namespace: str
    address: str

    def command(self, arguments: Sequence[object]) -> list[str]:
        """Return the command that runs these arguments on this host."""
        return ["ip", "netns", "exec", self.namespace, *map(str, arguments)]

    def start(self, arguments: Sequence[object], **options: Any) -> subprocess.Popen[str]:
        """Start a process on this host; `options` are those of `subprocess.Popen`."""
        return subprocess.Popen(self.command(arguments), text=True, **options)

    def processes(self) -> list[int]:
        """Return the numbers of all processes on this host."""
        done = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False
        )
        return [int(number) for number in done.stdout.split()]

    def kill_all(self) -> None:
        """End whatever runs on this host, at once."""
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


@contextmanager
def connected_hosts(count: int, *, link: Sequence[str] = ()) -> Iterator[list[Host]]:
    """Make hosts that reach each other and nobody else; gone with all their processes at the end.

    `link` is what follows `tc qdisc add dev eth0 root`: `["netem", "delay", "0.5ms", "rate",
    "1gbit"]`.
    """
    _remove_what_dead_tests_left()
    switch = f"{PREFIX}-{os.getpid()}-switch"
    with ExitStack() as cleanup:
        _namespace(switch, cleanup)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        hosts = []
        for number in range(1, count + 1):
            host = Host(f"{PREFIX}-{os.getpid()}-{number}", f"10.77.0.{number}")
            _namespace(host.namespace, cleanup)
            cleanup.callback(_end_processes, host)
            _connect(host, switch, f"port{number}")
            if link:
                _tc("-n", host.namespace, "qdisc", "add", "dev", "eth0", "root", *link)
            hosts.append(host)
        yield hosts


@contextmanager
def ssh_between(hosts: Sequence[Host], folder: Path) -> Iterator[list[str]]:
    """Run sshd on each host; yield the ssh command that may log in from any to any, as root."""
    assert _SSHD is not None
    Path("/run/sshd").mkdir(parents=True, exist_ok=True)
    _key(folder / "host_key")
    _key(folder / "user_key")
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    public = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text("".join(f"{host.address} {public}\n" for host in hosts))
    (folder / "ssh_config").write_text(
        f"IdentityFile {folder}/user_key\nIdentitiesOnly yes\nUser root\n"
        f"UserKnownHostsFile {folder}/known_hosts\nStrictHostKeyChecking yes\nBatchMode yes\n"
    )
    with ExitStack() as cleanup:
        for host in hosts:
            start_sshd(host, folder, cleanup)
        yield ["ssh", "-F", str(folder / "ssh_config")]


def start_sshd(host: Host, folder: Path, cleanup: ExitStack) -> None:
    """Run sshd on a host, with the keys that `ssh_between` put into the folder."""
    config = folder / f"sshd_config.{host.address}"
    config.write_text(
        f"ListenAddress {host.address}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
        # Keys lie below /tmp, which others may write to.
        "StrictModes no\n"
    )
    log = cleanup.enter_context((folder / f"sshd.{host.address}.log").open("w"))
    daemon = host.start([_SSHD, "-D", "-e", "-f", config], stderr=log, stdin=subprocess.DEVNULL)
    cleanup.callback(daemon.wait)
    cleanup.callback(daemon.kill)
    eventually(lambda: _listens(host, 22), within_s=20, what=f"sshd on {host.address}")


def _listens(host: Host, port: int) -> bool:
    probe = ["ss", "-Hltn", f"sport = :{port}"]
    done = subprocess.run(host.command(probe), capture_output=True, text=True, check=True)
    return bool(done.stdout.strip())


def _key(path: Path) -> None:
    if not path.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True)


def _namespace(name: str, cleanup: ExitStack) -> None:
    _ip("netns", "add", name)
    cleanup.callback(_ip, "netns", "delete", name)
    _ip("-n", name, "link", "set", "lo", "up")


def _connect(host: Host, switch: str, port: str) -> None:
    peer = ["peer", "name", port, "netns", switch]
    _ip("link", "add", "eth0", "netns", host.namespace, "type", "veth", *peer)
    _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
    _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
    _ip("-n", host.namespace, "link", "set", "eth0", "up")


def _end_processes(host: Host) -> None:
    def gone() -> bool:
        host.kill_all()
        return not host.processes()

    eventually(gone, within_s=20, what=f"an end of all processes on {host.address}")


def _remove_what_dead_tests_left() -> None:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name = line.split()[0]
        owner = name.removeprefix(f"{PREFIX}-").partition("-")[0]
        if name.startswith(f"{PREFIX}-") and not Path(f"/proc/{owner}").exists():
            _end_processes(Host(name, name))
            _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _tc(*arguments: str) -> None:
    _run("tc", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
