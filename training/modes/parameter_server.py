"""Parameter servers hold the variables, workers compute, and this process coordinates.

It alone has the data: it hands each step's images to a worker that is free, which reads the
weights from the servers, and sends its gradients there. Updates are asynchronous: a worker doesn't
wait for the others, so its gradients are of weights that may have moved on by then. The learning
rate is that of one worker's batch; it isn't scaled with the number of workers.

It is `tf.distribute.ParameterServerStrategy` with a loop of our own; what `Model.fit` would do
under it isn't supported by Keras 3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from training.backend import keras, tf
from training.errors import ProcessLost, UsageError
from training.model import copy_weights
from training.modes.cluster import (
    Cluster,
    Place,
    Task,
    check_port,
    local_cluster,
)
from training.modes.cluster_processes import Ended, LocalProcesses
from training.modes.cluster_watch import Watch, await_all, lost_too_long
from training.modes.one_rank import OneRank
from training.modes.parameter_server_runner import Dispatcher
from training.modes.placement import Placement, server_in, spread
from training.progress import Bars
from training.step import Update

_T = TypeVar("_T")
_MOST_RESTARTS = 10
_GOES_ON = "the same command goes on from the newest checkpoint"


class ParameterServerMode(OneRank):
    """See `training.modes.base.Mode`; a context, at whose end the processes it started are gone."""

    name = "ps"
    shares_variables = True

    def __init__(
        self,
        *,
        place: Place | None,
        workers: int,
        servers: int,
        threads: int | None,
        patience_s: float,
        logs: Path,
        bars: Bars,
    ) -> None:
        """`place` is where the cluster is; None starts all of it on this machine."""
        self.world_size = workers
        self._place = place
        self._servers = servers
        self._threads = threads
        self._patience_s = patience_s
        self._logs = logs
        self._bars = bars
        self._cluster: Cluster | None = None
        self._watch: Watch | None = None
        self._processes: LocalProcesses | None = None
        self._strategy: Any = None
        self._coordinator: Any = None
        self._restarts = 0
        self._copies: dict[int, Any] = {}

    def __enter__(self) -> ParameterServerMode:
        """Return the mode; nothing is started before something is built."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what was started; an error of the cluster's network is raised as ProcessLost."""
        try:
            if error is not None and (explained := self._explain(error)) is not error:
                raise explained from None
        finally:
            self.close()

    def close(self) -> None:
        """End the processes that were started here."""
        if self._watch is not None:
            self._watch.close()
        if self._processes is not None:
            self._processes.close()

    def build(self, make: Callable[[], _T]) -> _T:
        """Start or find the cluster, then build with the variables spread over its servers.

        Raises ProcessLost when somebody doesn't answer, UsageError when the port for the
        coordinator is taken.
        """
        if self._strategy is None:
            self._connect()
        place_variables = spread(Placement(self._servers))
        with tf.variable_creator_scope(place_variables), self._strategy.scope():
            return make()

    def runner(self, update: Update) -> Dispatcher:
        """Return what hands steps to the workers."""
        return Dispatcher(
            self._coordinator,
            update,
            workers=self.world_size,
            look=self._look,
            explain=self._explain,
        )

    def local(self, model: Any) -> Any:
        """Return a copy here with the weights of now: evaluation reads the servers only once."""
        if id(model) not in self._copies:
            # The model is kept along, or another one might get its id.
            self._copies[id(model)] = (model, keras.models.clone_model(model))
        _, copy = self._copies[id(model)]
        copy_weights(model, copy)
        return copy

    def _connect(self) -> None:
        cluster = self._start_here() if self._place is None else self._find(self._place)
        self._cluster = cluster
        self._watch = Watch(cluster)
        try:
            await_all(self._watch, cluster, patience_s=self._patience_s, check=self._check_start)
            self._strategy = _strategy(cluster)
        except tf.errors.OpError as error:
            raise self._explain(error) from None
        if self._strategy.num_replicas_in_sync > 1:
            raise UsageError(
                f"each worker sees {self._strategy.num_replicas_in_sync} GPUs, it can use one: "
                "start a worker for each, with its number in CUDA_VISIBLE_DEVICES"
            )
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self._strategy)
        self._watch.start()

    def _start_here(self) -> Cluster:
        cluster = local_cluster(self.world_size, self._servers)
        self._processes = LocalProcesses(cluster, self._logs, threads=self._threads)
        self._processes.start_all()
        self._bars.say(
            f"starting {self.world_size} workers and {self._servers} servers; they write to "
            f"{self._logs}"
        )
        return cluster

    def _find(self, place: Place) -> Cluster:
        check_port(place)
        cluster = place.cluster
        self._bars.say(
            f"waiting for {len(cluster.workers)} workers and {len(cluster.servers)} servers"
        )
        return cluster

    def _check_start(self) -> None:
        for ended in self._processes.ended() if self._processes else []:
            raise ProcessLost(f"{ended} before training began")

    def _look(self, waited_s: float) -> None:
        """Say who is lost or back, start lost workers again; raise when the run can't go on."""
        if self._watch is None:
            return
        if self._processes is None:
            for line in self._watch.news():
                self._bars.say(line)
        else:
            self._tend(self._processes)
        silences = self._watch.silences()
        lost = lost_too_long(silences, waited_s=waited_s, patience_s=self._patience_s)
        if lost:
            raise self._lost(lost)

    def _tend(self, processes: LocalProcesses) -> None:
        for ended in processes.ended():
            if ended.task.kind == "ps":
                raise _lost_server(ended)
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                raise ProcessLost(
                    f"{ended}; workers were started again {_MOST_RESTARTS} times, something is "
                    f"wrong with them; {_GOES_ON}"
                )
            self._bars.say(f"{ended}; it is started again, others train its step")
            processes.start(ended.task)

    def _explain(self, error: BaseException) -> BaseException:
        """Return a ProcessLost that names who is to blame; the error itself for other errors."""
        if not _is_of_network(error):
            return error
        for ended in self._processes.ended() if self._processes else []:
            if ended.task.kind == "ps":
                return _lost_server(ended)
        silent = self._watch.ask() if self._watch else []
        servers = [task for task in silent if task.kind == "ps"]
        if servers:
            return self._lost(servers)
        named = server_in(str(error))
        if named is not None:
            return self._lost([Task("ps", named)])
        return error

    def _lost(self, tasks: Sequence[Task]) -> ProcessLost:
        if self._processes is not None and tasks[0].kind == "ps":
            ended = self._processes.end_of(tasks[0])
            if ended is not None:
                return _lost_server(ended)
        cluster = self._cluster
        names = ", ".join(
            f"{task} at {cluster.address(task)}" if cluster else str(task) for task in tasks
        )
        if tasks[0].kind == "ps":
            return ProcessLost(
                f"{names} is lost, and with it the variables that it held; start it again, then "
                f"{_GOES_ON}"
            )
        return ProcessLost(
            f"{names} didn't answer for {self._patience_s:g} s; start it again, then {_GOES_ON}"
        )


def _lost_server(ended: Ended) -> ProcessLost:
    return ProcessLost(f"{ended}, and the variables that it held are gone; {_GOES_ON}")


def _is_of_network(error: BaseException) -> bool:
    """Return whether calls to a process that is gone, or was started again, end with this."""
    # TensorFlow wraps some of them into a TypeError.
    return isinstance(error, (*_NETWORK_ERRORS, TypeError)) and "/job:" in str(error)


_NETWORK_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
)


def log_to(file: Path) -> None:
    """Have what TensorFlow says about the cluster written to a file, and not to the terminal."""
    logger = logging.getLogger("tensorflow")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _strategy(cluster: Cluster) -> Any:
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.spec()), task_type="chief", task_id=0, rpc_layer="grpc"
    )
    return tf.distribute.ParameterServerStrategy(resolver)
