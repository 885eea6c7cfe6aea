"""What a worker or a parameter server does: listen, and compute or hold what it is told to."""

from __future__ import annotations

import os
import signal
import sys

from training.errors import ProcessLost, UsageError
from training.modes.cluster import VARIABLE, Kind, Place, check_port, find_place

_COMMANDS: dict[Kind, str] = {"chief": "train --mode ps", "worker": "worker", "ps": "server"}
_STOPPING = (signal.SIGTERM, signal.SIGINT)

# With the first, calls to a lost process fail at once, so that the coordinator can react. With
# the second, TensorFlow takes memory of a GPU as it needs it: several processes may share one.
ENVIRONMENT = {"GRPC_FAIL_FAST": "use_caller", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def run_role(kind: Kind, *, until_eof: bool = False) -> None:
    """Be the worker or the server that `TF_CONFIG` says, until told to stop.

    `until_eof` means: until standard input ends, as it does when whoever started us is gone.
    Raises UsageError when `TF_CONFIG` is missing, wrong or says something else.
    """
    place = find_place(os.environ)
    if place is None:
        raise UsageError(f"{VARIABLE} isn't set; it tells where the processes of the cluster are")
    if place.task.kind != kind:
        raise UsageError(
            f"{VARIABLE} says that this is {place.task}; "
            f"start it with: python -m training {_COMMANDS[place.task.kind]}"
        )
    serve(place, until_eof=until_eof)


def serve(place: Place, *, until_eof: bool = False) -> None:
    """Be this worker or server until told to stop; ends the process with exit code 0."""
    if not until_eof:
        check_port(place)
        # Before TensorFlow starts its threads, which would get the signals otherwise.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    server = _start(place)
    print(f"{place.task} listens at {place.cluster.address(place.task)}", flush=True)
    if until_eof:
        sys.stdin.buffer.read()
    else:
        signal.sigwait(_STOPPING)
    del server
    sys.stdout.flush()
    # Threads of TensorFlow may be in the middle of a step that nobody waits for any more.
    os._exit(0)


def _start(place: Place) -> object:
    """Return the running server of TensorFlow. Raises ProcessLost when it doesn't start."""
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if place.task.kind == "ps":
        # Updating variables isn't worth moving them to a GPU and back.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from training.backend import tf

    try:
        return tf.distribute.Server(
            tf.train.ClusterSpec(place.cluster.spec()),
            job_name=place.task.kind,
            task_index=place.task.index,
            protocol="grpc",
        )
    except tf.errors.OpError as error:
        raise ProcessLost(
            f"{place.task} can't listen at {place.cluster.address(place.task)}: {error.message}"
        ) from None
