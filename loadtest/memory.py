"""Memory of the service: of its processes where they run here, else as it tells itself."""

from __future__ import annotations

import contextlib
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import psutil

# (s since the run began, MB)
Sample: TypeAlias = tuple[float, float]

# What a service needs once, when load comes, is no leak.
WARM_UP_SHARE = 0.3
SHORTEST_S = 20.0
# As the kernel writes a listening socket's state.
_LISTEN = "0A"
_RESIDENT = re.compile(r"^hotshelf_process_resident_memory_bytes\{[^}]*\} (\S+)$", re.MULTILINE)


def growth_mb_per_min(samples: Sequence[Sample]) -> float | None:
    """Return how memory grows after the warm-up, None if there is too little to say.

    It is the median of the slopes over a tenth of the time each: a step, such as a version that is
    loaded, isn't taken for a leak.
    """
    if not samples:
        return None
    begin = samples[0][0] + WARM_UP_SHARE * (samples[-1][0] - samples[0][0])
    kept = [each for each in samples if each[0] >= begin]
    if kept[-1][0] - kept[0][0] < SHORTEST_S:
        return None
    apart = max(1, len(kept) // 10)
    slopes = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in zip(kept, kept[apart:], strict=False)
    ]
    return statistics.median(slopes) * 60


def listener(port: int) -> psutil.Process | None:
    """Return the process here that holds a port open; of several, the one they descend from.

    None if there is none, or if it may not be looked at from here.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    holders = [each for each in psutil.process_iter() if sockets & _open_files(each.pid)]
    pids = {each.pid for each in holders}
    return next((each for each in holders if each.ppid() not in pids), None)


def resident_mb(process: psutil.Process) -> float | None:
    """Return the memory of a process and all below it, None once it has ended."""
    try:
        pids = [process.pid, *(each.pid for each in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return None
    return sum(map(_resident_mb, pids))


def told_mb(metrics: str) -> float | None:
    """Return what a service's `/metrics` say that its processes take, None if they don't."""
    values = _RESIDENT.findall(metrics)
    return sum(map(float, values)) / 1e6 if values else None


def _listening(port: int) -> set[str]:
    """Return the inodes of sockets that listen on a port."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    end = f":{port:04X}"
    return {row[9] for row in rows if row[1].endswith(end) and row[3] == _LISTEN}


def _open_files(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            # One may be closed meanwhile.
            with contextlib.suppress(OSError):
                found.add(str(each.readlink()))
    return found


def _resident_mb(pid: int) -> float:
    """Private memory and the process' share of what it shares, so that nothing counts twice."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0
