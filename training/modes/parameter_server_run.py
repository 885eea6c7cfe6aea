"""`--mode ps` from its settings to the process that this one is: coordinator, worker or server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from training.errors import UsageError
from training.modes.cluster import VARIABLE, Place, find_place
from training.modes.cluster_role import ENVIRONMENT, serve
from training.progress import make_bars
from training.settings import Job, Recipe

if TYPE_CHECKING:
    from training.job import Outcome

# What workers, servers and TensorFlow's side of the coordinator say, in the run folder.
LOGS = "cluster"


class Size(msgspec.Struct, frozen=True):
    """How many workers and servers a run has."""

    workers: int
    servers: int


def train_with_servers(job: Job, recipe: Recipe, run: Path) -> Outcome | None:
    """Coordinate a run with parameter servers; or be what `TF_CONFIG` says, and return None.

    Raises a TrainingError.
    """
    place = find_place(os.environ)
    if place is not None and place.task.kind != "chief":
        serve(place)
        return None
    size = size_of(job, place)
    os.environ.update(ENVIRONMENT)
    # The end of a process is said by us, once, and not by every call that was under way.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from training.job import train
    from training.modes.parameter_server import ParameterServerMode, log_to

    log_to(run / LOGS / "coordinator.log")
    bars = make_bars()
    with ParameterServerMode(
        place=place,
        workers=size.workers,
        servers=size.servers,
        threads=job.threads,
        patience_s=job.patience,
        logs=run / LOGS,
        bars=bars,
    ) as mode:
        return train(job, recipe, mode, run, bars)


def size_of(job: Job, place: Place | None) -> Size:
    """Return the size of the cluster. Raises UsageError when options and TF_CONFIG differ."""
    if place is None:
        if job.workers is None:
            raise UsageError(
                "--mode ps needs --workers N (and --servers M) to start all of it on this "
                f"machine, or {VARIABLE} with the machines of a cluster"
            )
        return Size(job.workers, job.servers or 1)
    size = Size(len(place.cluster.workers), len(place.cluster.servers))
    for name, given, there in (
        ("workers", job.workers, size.workers),
        ("servers", job.servers, size.servers),
    ):
        if given not in (None, there):
            raise UsageError(f"--{name} {given}: {VARIABLE} has {there}; leave the option out")
    return size
