"""One training job from start to published version: the pieces put in order.

The same for all modes; what differs between them is in the `Mode` that is passed in.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from training import origin
from training.assemble import Pieces, architecture_of, assemble, set_seeds
from training.backend import tf
from training.data.prepared import PreparedData
from training.data.resolve import resolve as resolve_data
from training.errors import DataError, Interrupted, RunFolderError
from training.finish import finish, report_again
from training.loop import Actions, run_loop
from training.memory import HostsChanged, Remembering
from training.model import build_model
from training.modes.base import Mode
from training.position import Position
from training.precision import resolve as resolve_precision
from training.progress import Bars
from training.publish import check_store, publish
from training.run.checkpoints import Checkpoint
from training.run.folder import (
    Publication,
    Result,
    RunFolder,
    RunSettings,
    begin_or_resume,
)
from training.run.locking import Locked, lock
from training.settings import Job, Recipe
from training.stop import StopRequest, listen
from training.trainee import Trainee
from training.variants.of_run import add_to_run
from training.variants.settings import Quantization, file_of
from training.weights.initial import Start, check_freezing, find_start
from training.weights.weights import Weights, check_fits, take_over


class Outcome(msgspec.Struct, frozen=True):
    """What a finished job leaves: where, how good, and as which version if it was published."""

    run: Path
    result: Result
    publication: Publication | None


class _Order(msgspec.Struct, frozen=True):
    """What the rank that writes files tells the others."""

    recipe: Recipe
    data_digest: str
    finished: bool


def train(job: Job, recipe: Recipe, mode: Mode, run: Path, bars: Bars) -> Outcome | None:
    """Train, or go on where the run folder stands, then export, check and publish.

    Every rank calls it; None on those that don't write files, as their work ends with the last
    step, and where the job wants no export. Raises a TrainingError; see `training.errors` for what
    it can be.
    """
    if mode.writes_files and job.store is not None:
        check_store(job.store, job.model)
    check_freezing(recipe)
    data = resolve_data(job.data, job.cache_folder, bars)
    folder = RunFolder(run)
    if not mode.writes_files:
        _follow(job, mode, folder, data, bars)
        return None
    with held(folder):
        start = find_start(
            job, recipe, folder, data_digest=data.digest, classes=data.classes, bars=bars
        )
        if start is not None and start.weights is not None:
            # Now, so that a folder isn't left that holds a run which can't begin.
            check_fits(start.weights, _example(recipe, data))
        settings = begin_or_resume(folder, _settings(recipe, mode, data, start), bars)
        result = folder.result()
        mode.share(_Order(settings.recipe, data.digest, finished=result is not None))
        if result is None:
            trainee, step = _train(
                job,
                settings.recipe,
                mode,
                folder,
                data=data,
                bars=bars,
                weights=start.weights if start else None,
            )
            if not job.export:
                bars.say(f"{run}: trained up to step {step}; its checkpoint is kept, not exported")
                return None
            result = finish(
                folder,
                trainee.result,
                settings.recipe,
                data,
                bars,
                step=step,
                variants=job.wanted_variants,
            )
        else:
            bars.say(f"{run}: this run is finished, nothing is left to train")
            result = _with_missing_variants(job, folder, result, data, bars)
        publication = _publish_once(
            job, folder, settings, result, class_count=data.class_count, bars=bars
        )
        if publication is not None:
            report_again(folder, data, bars)
        return Outcome(run, result, publication)


def _with_missing_variants(
    job: Job, folder: RunFolder, result: Result, data: PreparedData, bars: Bars
) -> Result:
    """Make what the job wants of a finished run and it hasn't got yet."""
    for name in job.wanted_variants:
        if file_of(name) not in result.variants:
            result = add_to_run(folder, name, Quantization(), data, bars)
    return result


def _follow(job: Job, mode: Mode, folder: RunFolder, data: PreparedData, bars: Bars) -> None:
    """Train along with the rank that writes files."""
    order = mode.share(_Order(Recipe(), "", finished=False))
    if order.data_digest != data.digest:
        raise DataError(
            f"{origin.host()}: {data.folder} has the digest {data.digest[:12]}, the first rank's"
            f" data has {order.data_digest[:12]}; give all hosts the same data"
        )
    if not order.finished:
        _train(job, order.recipe, mode, folder, data=data, bars=bars)


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Keep other processes out of the run folder. Raises RunFolderError when one is in it."""
    try:
        with lock(folder.lock, wait=False):
            yield
    except Locked:
        raise RunFolderError(f"{folder.path}: another process is using this run folder") from None
    except OSError as error:
        raise RunFolderError(
            f"{error.filename or folder.path}: {error.strerror or error}"
        ) from None


def _settings(recipe: Recipe, mode: Mode, data: PreparedData, start: Start | None) -> RunSettings:
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    precision = resolve_precision(recipe.precision, has_gpu=has_gpu)
    return RunSettings(
        mode=mode.name,
        world_size=mode.world_size,
        data_digest=data.digest,
        recipe=msgspec.structs.replace(recipe, precision=precision),
        code_version=origin.code_version(),
        host=origin.host(),
        started_at=origin.now(),
        initial=start.record if start else None,
    )


def _example(recipe: Recipe, data: PreparedData) -> Any:
    """Return a model with the variables that the run's model will have."""
    return build_model(architecture_of(recipe, data), precision="float32", seed=0)


def _train(
    job: Job,
    recipe: Recipe,
    mode: Mode,
    folder: RunFolder,
    *,
    data: PreparedData,
    bars: Bars,
    weights: Weights | None = None,
) -> tuple[Trainee, int]:
    """Return the trained trainee and its number of steps."""
    set_seeds(recipe)
    with listen() as stop:
        pieces = assemble(
            recipe=recipe,
            architecture=architecture_of(recipe, data),
            mode=mode,
            folder=folder,
            data=data,
            bars=bars,
            checkpoint_every=job.checkpoint_every,
            keep=job.keep,
            should_stop=lambda: bool(stop) or _hosts_changed(mode),
        )
        position, at_end = _run(pieces, mode, data, bars, weights)
    if not at_end and mode.memory is not None and not mode.agree(bool(stop)):
        raise HostsChanged
    if not at_end:
        raise _interrupted(folder, position, pieces, stop)
    return pieces.trainee, position.step


def _run(
    pieces: Pieces, mode: Mode, data: PreparedData, bars: Bars, weights: Weights | None
) -> tuple[Position, bool]:
    kept = mode.memory.recall() if mode.memory is not None else None
    if kept is not None:
        resumed: Position | None = _go_on(pieces, kept, mode, bars)
    else:
        resumed = _resume(pieces, bars) if mode.writes_files else None
    if weights is not None and resumed is None:
        trainee = pieces.trainee
        bars.say(take_over(weights, trainee.model, data.classes, average=trainee.average))
    resumed = mode.share(resumed)
    mode.share_variables(pieces.trainee.variables)
    actions: Actions = pieces.trainer
    if mode.memory is not None:
        actions = Remembering(actions, mode.memory, pieces.trainee)
    try:
        return run_loop(
            pieces.plan,
            resumed or Position(),
            actions,
            resumed=resumed is not None,
            should_stop=pieces.trainer.should_stop,
        )
    finally:
        pieces.trainer.close()


def _resume(pieces: Pieces, bars: Bars) -> Position | None:
    """Take over the newest checkpoint that is right; None when there is none."""
    checkpoint, problems = pieces.checkpoints.newest()
    for problem in problems:
        bars.say(f"skipping a damaged checkpoint: {problem}")
    pieces.metrics.rewind(checkpoint.position if checkpoint else Position())
    if checkpoint is None:
        return None
    pieces.trainee.restore(checkpoint.arrays)
    bars.say(f"resuming after step {checkpoint.position.step} of {pieces.plan.total_steps}")
    return checkpoint.position


def _hosts_changed(mode: Mode) -> bool:
    return mode.memory is not None and mode.memory.hosts_changed


def _go_on(pieces: Pieces, kept: Checkpoint, mode: Mode, bars: Bars) -> Position:
    """Take over what the ranks remember, all of them."""
    pieces.trainee.restore(kept.arrays)
    if mode.writes_files:
        pieces.metrics.rewind(kept.position)
        step, total = kept.position.step, pieces.plan.total_steps
        bars.say(f"going on after step {step} of {total}; ranks: {mode.count}")
    return kept.position


def _interrupted(
    folder: RunFolder, position: Position, pieces: Pieces, stop: StopRequest
) -> Interrupted:
    number = stop.signal_number or signal.SIGTERM
    return Interrupted(
        f"stopped by {signal.Signals(number).name} after step {position.step} of "
        f"{pieces.plan.total_steps}; a checkpoint is written, the same command with "
        f"--run {folder.path} goes on from it",
        number,
    )


def _publish_once(
    job: Job,
    folder: RunFolder,
    settings: RunSettings,
    result: Result,
    *,
    class_count: int,
    bars: Bars,
) -> Publication | None:
    """Publish unless this store has the run already; None when no store was given."""
    if job.store is None:
        return None
    for publication in folder.publications():
        if (publication.store, publication.model) == (job.store, job.model):
            bars.say(f"{job.store} has this run already, as version {publication.version}")
            return publication
    return publish(
        folder,
        settings,
        result,
        url=job.store,
        model=job.model,
        class_count=class_count,
        bars=bars,
        gate=job.allowed_loss,
    )
