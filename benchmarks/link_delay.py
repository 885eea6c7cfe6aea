"""A link between two hosts that is as slow as asked for: bytes a second, and seconds on the way.

    with slow_link(a, b, rate="1gbit", delay_s=0.0005): ...

`tc` does both where the kernel has netem. Elsewhere it limits only, and both hosts get a TAP device
with their own address instead of their veth: a process that holds both ends carries each frame to
the other after the delay. Frames are those that a network card would cut and sum up, up to 64 kB,
so a gigabit a second is two thousand of them.

Run by it as `python -m benchmarks.link_delay NAMESPACE NAMESPACE SECONDS`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.namespaces import Host

_DEVICE, _VETH = "eth1", "eth0"
# From linux/if_tun.h and linux/sched.h.
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_TUN_F_CSUM, _TUN_F_TSO4 = 0x01, 0x02
_CLONE_NEWNET = 0x40000000
_MOST_BYTES = 1 << 17


@contextmanager
def slow_link(a: Host, b: Host, *, rate: str, delay_s: float) -> Iterator[None]:
    """Limit and delay what both hosts send to each other while the block runs."""
    netem = ["netem", "rate", rate, "delay", f"{delay_s * 1e3:g}ms", "limit", "10000"]
    if not all(_tc(host, "add", _VETH, *netem) for host in (a, b)):
        with _carried(a, b, rate=rate, delay_s=delay_s):
            yield
        return
    try:
        yield
    finally:
        for host in (a, b):
            _tc(host, "del", _VETH)


@contextmanager
def _carried(a: Host, b: Host, *, rate: str, delay_s: float) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.link_delay", a.namespace, b.namespace]
    with subprocess.Popen(
        [*command, str(delay_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as carrier:
        assert carrier.stdin is not None  # noqa: S101 - it is a pipe
        assert carrier.stdout is not None  # noqa: S101 - it is a pipe
        carrier.stdout.readline()
        try:
            for host in (a, b):
                limit = ["tbf", "rate", rate, "burst", "1mb", "latency", "50ms"]
                if not _tc(host, "add", _DEVICE, *limit):
                    raise OSError(f"tc on {host.namespace}: the kernel has neither netem nor tbf")
                _move_address(host, _VETH, _DEVICE)
            yield
        finally:
            carrier.stdin.close()
            for host in (a, b):
                _move_address(host, _DEVICE, _VETH)


def carry(namespaces: list[str], delay_s: float) -> None:
    """Carry frames between a TAP device in each of two namespaces until standard input ends."""
    ends = [_tap(namespace) for namespace in namespaces]
    other = dict(zip(ends, reversed(ends), strict=True))
    print("ready", flush=True)
    stop = sys.stdin.fileno()
    # All take as long, so the first is always the next one due.
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        patience_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([stop, *ends], [], [], patience_s)
        if stop in ready:
            return
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, end, frame = waiting.popleft()
            os.write(end, frame)
        for end in ready:
            waiting.append((time.monotonic() + delay_s, other[end], os.read(end, _MOST_BYTES)))


def _tap(namespace: str) -> int:
    """Make the device in the namespace and return its other end."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open() as place:
        if libc.setns(place.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR)
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), flags))
    fcntl.ioctl(end, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4)
    subprocess.run(["ip", "link", "set", _DEVICE, "up"], check=True)
    return end


def _move_address(host: Host, source: str, target: str) -> None:
    ip = ["ip", "-n", host.namespace, "address"]
    # The device may be gone, and its address with it.
    subprocess.run([*ip, "flush", "dev", source], check=False, capture_output=True)
    subprocess.run([*ip, "add", f"{host.address}/24", "dev", target], check=True)


def _tc(host: Host, verb: str, device: str, *words: str) -> bool:
    command = ["tc", "-n", host.namespace, "qdisc", verb, "dev", device, "root", *words]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    carry(sys.argv[1:3], float(sys.argv[3]))
