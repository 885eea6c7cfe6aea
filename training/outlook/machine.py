"""The machine and the versions that a measurement was taken with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import msgspec

from training import origin

_MEASURED_WITH = ("tensorflow", "keras", "numpy", "horovod")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of images a second depends on besides the recipe."""

    processor: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    system: str
    python: str
    versions: dict[str, str]
    code_version: str

    def __str__(self) -> str:
        """Return it in one line."""
        devices = ", ".join((f"{self.cores} cores of {self.processor}", *self.gpus))
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{devices}; {self.memory_bytes / 1e9:.0f} GB; Python {self.python}, {versions}"


def this_machine(*, gpus: tuple[str, ...] = ()) -> Machine:
    """Return what this process runs on; which GPUs there are is for the caller to say."""
    return Machine(
        processor=_processor(),
        cores=usable_cores(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        gpus=gpus,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={name: number for name in _MEASURED_WITH if (number := _version(name))},
        code_version=origin.code_version(),
    )


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
