"""What a family of processes costs: CPU by thread, memory with shared pages counted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Threads of the engine that run batches: its lanes' (see service/engine/lanes.py), and ONNX
# Runtime's own, which a lane starts when it loads a session.
INFERENCE_THREADS = "lane"


@dataclass(frozen=True)
class Cpu:
    """CPU seconds since the processes started: all of them, and those in inference threads."""

    total_s: float
    inference_s: float

    def __sub__(self, earlier: Cpu) -> Cpu:
        """Return what was used since."""
        return Cpu(self.total_s - earlier.total_s, self.inference_s - earlier.inference_s)


def family(pid: int) -> list[int]:
    """Return the process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        for task in _tasks(each):
            waiting.extend(map(int, _read(task / "children").split()))
    return found


def cpu(pids: list[int]) -> Cpu:
    """Return what the processes have used so far (nanosecond counts of the scheduler)."""
    total = inference = 0.0
    for pid in pids:
        for task in _tasks(pid):
            used = float((_read(task / "schedstat") or "0").split()[0]) / 1e9
            total += used
            if _read(task / "comm").startswith(INFERENCE_THREADS):
                inference += used
    return Cpu(total, inference)


def machine_s() -> float:
    """Return the CPU seconds that anybody has used so far, other guests of the host included."""
    user, nice, system, _, _, irq, softirq, steal = _numbers(Path("/proc/stat"))[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def stolen_s() -> float:
    """Return the CPU seconds so far that the host gave to others while this machine wanted them."""
    return _numbers(Path("/proc/stat"))[7] / os.sysconf("SC_CLK_TCK")


def memory_mb(pids: list[int]) -> float:
    """Return their proportional set size together."""
    total = 0
    for pid in pids:
        for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _numbers(path: Path) -> list[int]:
    """Return the numbers of the first line."""
    return [int(each) for each in path.read_text().splitlines()[0].split()[1:]]


def _tasks(pid: int) -> Iterator[Path]:
    folder = Path(f"/proc/{pid}/task")
    if folder.exists():
        yield from folder.iterdir()


def _read(path: Path) -> str:
    # A thread may end while we look.
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
