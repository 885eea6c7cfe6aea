"""From the name of a mode to what runs it; imports only what the chosen mode needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from training.errors import UsageError
from training.progress import make_bars
from training.settings import Job, ModeName, Recipe

if TYPE_CHECKING:
    from training.job import Outcome

# Settings that only some modes know what to do with.
_ONLY_IN: dict[str, tuple[ModeName, ...]] = {
    "workers": ("ps",),
    "servers": ("ps",),
    "patience": ("ps",),
    "processes": ("horovod",),
    "hosts": ("horovod-cluster",),
    "ssh": ("horovod-cluster",),
    "controller": ("horovod", "horovod-cluster"),
    "elastic": ("horovod-cluster",),
    "min": ("horovod-cluster",),
    "max": ("horovod-cluster",),
    "discovery": ("horovod-cluster",),
    "sync_norm": ("horovod", "horovod-cluster"),
    "compress": ("horovod", "horovod-cluster"),
}


def check_mode(job: Job, recipe: Recipe) -> None:
    """Raise UsageError for a setting that the job's mode has no use for or can't do."""
    for name, modes in _ONLY_IN.items():
        settings: msgspec.Struct = job if name in job.__struct_fields__ else recipe
        given = getattr(settings, name)
        if given != getattr(type(settings)(), name) and job.mode not in modes:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} is for --mode {' and '.join(modes)}, not {job.mode}")
    if recipe.xla and job.mode == "ps":
        raise UsageError("--xla: XLA can't read variables of other machines, as --mode ps has them")
    if recipe.xla and recipe.deterministic and recipe.stem == "imagenet":
        raise UsageError(
            "--xla has no max-pool that repeats bit for bit, and --stem imagenet has a max-pool; "
            "give --no-deterministic too, or another --stem"
        )
    if not job.elastic and (job.min or job.max or job.discovery):
        raise UsageError("--min, --max and --discovery are for --elastic")
    if job.elastic and job.controller == "mpi":
        raise UsageError("--elastic is for --controller gloo: MPI ends all ranks when one is lost")
    if recipe.sync_norm and recipe.xla:
        raise UsageError(
            "--sync-norm sends messages in the middle of what --xla compiles; give one"
        )


def run_in_mode(job: Job, recipe: Recipe, run: Path, *, debug: bool = False) -> Outcome | None:
    """Train in the job's mode; None where another process of this run has said what came out.

    Raises a TrainingError.
    """
    check_mode(job, recipe)
    if job.mode == "single":
        from training.job import train
        from training.modes.single import SingleMode
        from training.threads import use_threads

        use_threads(job.threads, processes_here=1)
        return train(job, recipe, SingleMode(), run, make_bars())
    if job.mode == "ps":
        from training.modes.parameter_server_run import train_with_servers

        return train_with_servers(job, recipe, run)
    from training.modes import horovod_launcher, horovod_rank
    from training.modes.horovod_environment import is_rank

    if is_rank():
        return horovod_rank.train_as_rank(job, recipe, run, debug=debug)
    horovod_launcher.launch(job, recipe, run, debug=debug)
    return None
