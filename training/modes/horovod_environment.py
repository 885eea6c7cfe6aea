"""What the launcher puts into the environment of its ranks, and what a rank finds there."""

from __future__ import annotations

import os
import shutil
import sys

# Set by the launcher to the size of its terminal, 80x24, or to none.
TERMINAL = "HOTSHELF_RANK_TERMINAL"
# What other hosts need to find Python's modules and libraries, known before a rank can be greeted.
_FOR_START = ("PYTHONPATH", "LD_LIBRARY_PATH")
# What else they are given of the environment: what these packages and their libraries read.
_SECRETS = "AZURE_"
_PLAIN = ("CUDA_", "HOROVOD_", "HOTSHELF_", "KERAS_", "NCCL_", "OMP_", "TF_", "XLA_")
# What mpirun and its ssh need themselves.
_FOR_MPIRUN = ("HOME", "PATH", "SSH_AUTH_SOCK", "TMPDIR", "USER", "OMPI_", "PMIX_", "PRTE_")
_CONTROLLER = "HOROVOD_CONTROLLER"


def start_environment() -> dict[str, str]:
    """Return what a rank's command line says."""
    size = shutil.get_terminal_size()
    terminal = f"{size.columns}x{size.lines}" if sys.stderr.isatty() else "none"
    given = {name: os.environ[name] for name in _FOR_START if name in os.environ}
    return given | {TERMINAL: terminal}


def rank_environment() -> dict[str, str]:
    """Return what a rank on another host is told in private."""
    return {
        name: value for name, value in os.environ.items() if name.startswith((_SECRETS, *_PLAIN))
    }


def mpi_environment() -> dict[str, str]:
    """Return the whole environment of mpirun, which gives it to all ranks, readable on its way."""
    names = (*_FOR_MPIRUN, *_PLAIN)
    given = {name: value for name, value in os.environ.items() if name.startswith(names)}
    meeting = {_CONTROLLER: "mpi", "HOROVOD_CPU_OPERATIONS": "mpi"}
    return given | start_environment() | meeting | {"PYTHONUNBUFFERED": "1"}


def is_rank() -> bool:
    """Return whether a launcher has started this process."""
    return TERMINAL in os.environ and _number("RANK") is not None


def under_mpi() -> bool:
    """Return whether this rank meets the others over MPI, all of them run by one mpirun."""
    return os.environ.get(_CONTROLLER) == "mpi"


def hears_launcher() -> bool:
    """Return whether the launcher writes to this rank's standard input; mpirun has it one only."""
    return not under_mpi() or _number("RANK") == 0


def local_rank() -> int:
    """Return the number of this rank among those of its host."""
    return _number("LOCAL_RANK") or 0


def local_size() -> int:
    """Return how many ranks this host has."""
    return _number("LOCAL_SIZE") or 1


def _number(name: str) -> int | None:
    """Return what Horovod's launcher says, or Open MPI's."""
    text = os.environ.get(f"HOROVOD_{name}", os.environ.get(f"OMPI_COMM_WORLD_{name}"))
    return None if text is None else int(text)
