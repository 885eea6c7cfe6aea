"""The process that the user's command is: has the ranks run, and says why they ended."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from training.modes.command_line import train_arguments
from training.modes.horovod_crowd import crowd_of, hosts_now
from training.modes.horovod_gloo import run_elastic_ranks, run_ranks
from training.modes.horovod_hosts import hosts_of
from training.modes.horovod_mpi import run_mpi_ranks
from training.modes.horovod_verdict import elastic_error_of, error_of
from training.settings import Job, Recipe


def launch(job: Job, recipe: Recipe, run: Path, *, debug: bool) -> None:
    """Run all ranks to their end. Raises what they raised, or ProcessLost; none is left then."""
    command = [sys.executable, "-m", "training", *train_arguments(job, recipe, run, debug=debug)]
    ssh = shlex.split(job.ssh or "ssh")
    if job.elastic:
        crowd = crowd_of(job)
        hosts_now(crowd.discovery)  # a program that fails is said before anything starts
        ranks = run_elastic_ranks(command, crowd, ssh=ssh, debug=debug)
        error = elastic_error_of(ranks.ends, run, ranks.stopped_by)
    elif job.controller == "mpi":
        all_ranks = run_mpi_ranks(command, hosts_of(job), ssh=ssh, debug=debug)
        error = error_of(all_ranks.ends, run, all_ranks.stopped_by)
    else:
        ranks = run_ranks(command, hosts_of(job), ssh=ssh, debug=debug)
        error = error_of(ranks.ends, run, ranks.stopped_by)
    if error is not None:
        raise error
