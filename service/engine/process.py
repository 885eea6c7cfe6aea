"""The engine's process: puts store, manager, batcher and lanes behind a Unix socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from model_store import VersionCache, open_store
from service import metrics
from service.engine.administration import Administration
from service.engine.batcher import Batch, Batcher, Waiting
from service.engine.device import NoSuchDevice, choose_hardware, count_gpus
from service.engine.fact_sheet import FactSheet
from service.engine.follower import Follower
from service.engine.lanes import Lanes, Outcome, slices
from service.engine.loading import LoadingPlan, VersionLoader
from service.engine.manager import Lease, VersionManager
from service.engine.pace import Pace
from service.engine.policy import State
from service.engine.runtime import runtime_has_cuda
from service.engine.source import StoreSource
from service.engine.tally import Tally
from service.errors import EngineUnavailable, InferenceFailed, NotReady, ServiceError
from service.ipc.messages import (
    Administer,
    AskDescription,
    AskFacts,
    AskStatistics,
    AskStatus,
    EngineState,
    Facts,
    Failure,
    Infer,
    Request,
    Statistics,
    VersionDescription,
)
from service.ipc.server import Caller, listen
from service.lifecycle import (
    CANNOT_START,
    die_with_parent,
    keep_heaps_small,
    keep_what_is_loaded,
    socket_path,
)
from service.logs import set_up_logging
from service.reference import VersionRef
from service.settings import PREFIX, Settings
from service.tracing import active, record, set_up_tracing

log = logging.getLogger(__name__)


# A version was checked when it was loaded. When so many runs in a row fail all the same, what they
# run on is broken, such as a GPU that was reset; a new process gets it anew and checks again.
MOST_FAILED_RUNS = 5
# No run of a model on a batch takes as long, but on a device that hangs. Who asks for the state is
# told, and the supervisor, which asks all the time, ends this process if it stays so.
HANGS_S = 10.0


class Engine:
    """Answers workers' requests: takes a lease, queues, runs, replies. Lives in one event loop.

    When runs fail one after the other it is `broken` and calls `give_up`.
    """

    def __init__(
        self,
        settings: Settings,
        manager: VersionManager,
        source: StoreSource,
        *,
        facts: FactSheet,
        administration: Administration,
        plan: LoadingPlan,
        give_up: Callable[[], None],
    ) -> None:
        self._device = plan.hardware.device
        self._administration = administration
        self._model = settings.model
        self._facts = facts
        self._manager = manager
        self._source = source
        self._queue_limit = settings.queue_images
        self._batcher = Batcher(
            queue_images=settings.queue_images, clock=time.monotonic, dropped=self._dropped
        )
        self._pace = Pace(lanes=plan.lanes, max_batch=plan.max_batch)
        self._loop = asyncio.get_running_loop()
        self._looking = False
        self._tally = Tally()
        self._lanes = Lanes(plan.lanes, max_batch=plan.max_batch, finished=self._batch_finished)
        self._max_batch = plan.max_batch
        self._failed_runs = 0
        self._give_up = give_up
        self.broken = False

    def handle(self, request: Request, caller: Caller) -> None:
        """Reply to one request, now or when its batch has run."""
        reply = caller.reply
        try:
            match request:
                case Infer():
                    self._infer(request, caller)
                case AskStatus():
                    reply(self._state())
                case Administer():
                    self._administration.handle(request, reply)
                case AskFacts():
                    reply(Facts(self._facts.versions))
                case AskStatistics():
                    reply(Statistics(self._tally.versions()))
                case AskDescription():
                    version = request.version
                    reply(VersionDescription(version, self._manager.classes(version)))
        except ServiceError as error:
            reply(Failure.of(error))

    def close(self) -> None:
        """Wait for the batches that are running and the change that is going on."""
        self._administration.close()
        self._lanes.close()

    def _infer(self, request: Infer, caller: Caller) -> None:
        lease = self._lease(request.ref)
        reply = self._tally.counting(lease.version, caller.reply)
        waiting = Waiting(
            request.images,
            lease,
            request.deadline,
            time.monotonic(),
            reply,
            request.correlation,
            lambda: caller.left,
        )
        try:
            self._batcher.add(waiting)
        except ServiceError as error:
            lease.release()
            reply(Failure.of(error))
        else:
            self._pace.arrived(len(request.images))
            self._look_soon()

    def _dropped(self, request: Waiting) -> None:
        self._pace.left(len(request.images))

    def _look_soon(self) -> None:
        """Fill the lanes when all that is arriving together has arrived."""
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        self._fill_lanes()

    def _lease(self, ref: VersionRef) -> Lease:
        try:
            return self._manager.lease(ref)
        except NotReady as error:
            if self._manager.default is not None:
                raise
            raise NotReady(f"{error}: {self._waiting_for()}") from None

    def _fill_lanes(self) -> None:
        while self._lanes.free:
            step = self._pace.decide(self._batcher.queued_images, self._lanes.running)
            batch = self._batcher.next_batch(step.images) if step else None
            if step is None or batch is None:
                return
            now = time.monotonic()
            for each in batch.requests:
                metrics.QUEUE_SECONDS.observe(now - each.queued_at)
            self._lanes.start(batch, alone=step.alone)

    def _batch_finished(self, batch: Batch, outcome: Outcome, took_s: float) -> None:
        # A lane that waits costs everybody, so the next batch starts first.
        self._pace.ended(len(batch.requests), len(batch))
        self._fill_lanes()
        if isinstance(outcome, InferenceFailed):
            batch.fail(outcome)
            self._failed_runs += 1
            if self._failed_runs == MOST_FAILED_RUNS:
                log.critical("%d runs in a row failed; this process gives up", self._failed_runs)
                self.broken = True
                self._give_up()
        else:
            batch.answer(outcome)
            self._failed_runs = 0
        metrics.INFERENCE_SECONDS.observe(took_s)
        sizes = slices(len(batch), self._max_batch)
        for size in sizes:
            metrics.BATCH_IMAGES.observe(size)
        self._tally.ran(batch, took_s, sizes)
        if active() is not None:
            _trace(batch, took_s)

    def _state(self) -> EngineState:
        if self._lanes.longest_s > HANGS_S:
            raise EngineUnavailable(
                f"a run of the model hangs, for {self._lanes.longest_s:.0f} s by now"
            )
        served = self._manager.snapshot()
        return EngineState(
            model=self._model,
            default=served.default,
            versions=served.versions,
            waiting="" if served.default is not None else self._waiting_for(),
            labels=served.labels,
            weights=served.weights,
            queued_images=self._batcher.queued_images,
            queue_limit=self._queue_limit,
            store_problem=self._source.problem,
            device=self._device,
        )

    def _waiting_for(self) -> str:
        """Say why nothing is being served."""
        for each in reversed(self._manager.status()):
            if each.error:
                return f"version {each.version} failed: {each.error}"
            if each.state == State.LOADING:
                return f"version {each.version} is loading"
        return self._source.waiting_for()


def _trace(batch: Batch, took_s: float) -> None:
    """Make spans of a batch that has just run, for each of its requests that is traced."""
    ended_s = time.monotonic()
    started_s = ended_s - took_s
    for each in batch.requests:
        record(each.correlation, "queue", each.queued_at, started_s)
        record(
            each.correlation, "inference", started_s, ended_s,
            **{"hotshelf.version": batch.lease.version, "hotshelf.batch_images": len(batch)},
        )  # fmt: skip


# Less than the supervisor waits for this process to end.
LOADING_STOP_S = 5.0

# A lane that has a batch to start waits for Python's lock no longer than this.
SWITCH_S = 0.0001


async def serve(settings: Settings) -> int:
    """Run the engine until SIGTERM; 1 if it gave up before that."""
    cache = VersionCache(settings.cache, limit_bytes=settings.cache_mb * 1_000_000)
    store = open_store(settings.store)
    source = StoreSource(store, cache, settings.model, settings.serve)

    hardware = choose_hardware(settings.device, runtime_can=runtime_has_cuda(), gpus=count_gpus)
    log.info("models run on %s", hardware)
    plan = LoadingPlan.of(settings, hardware)
    loader = VersionLoader(source, plan)
    manager = VersionManager(loader, budget_bytes=settings.memory_mb * 1_000_000)
    facts = FactSheet(source.manifest)
    follower = Follower(source, manager, facts, settings.poll_s)
    administration = Administration(store, settings.model, settings.serve, follower)
    stop = asyncio.Event()
    engine = Engine(
        settings,
        manager,
        source,
        facts=facts,
        administration=administration,
        plan=plan,
        give_up=stop.set,
    )
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    server = await listen(socket_path(Path(settings.run_dir)), engine.handle)
    follower.start()
    await stop.wait()
    await asyncio.to_thread(partial(follower.stop, within_s=LOADING_STOP_S))
    server.close()
    engine.close()
    return 1 if engine.broken else 0


def main() -> int:
    """Run the engine; the supervisor starts it with its settings in the environment."""
    die_with_parent()
    settings = Settings.from_environment(os.environ)
    set_up_logging("engine", settings.log_level, settings.log_format)
    metrics.sign_in("engine")
    set_up_tracing(os.environ)
    sys.setswitchinterval(SWITCH_S)
    keep_what_is_loaded()
    keep_heaps_small()
    try:
        return asyncio.run(serve(settings))
    except NoSuchDevice as error:
        log.error("%s=%s: %s", f"{PREFIX}DEVICE", settings.device, error)  # noqa: TRY400
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
