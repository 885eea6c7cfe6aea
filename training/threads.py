"""How many threads a process computes with."""

from __future__ import annotations

import os

from training.backend import tf


def use_threads(wanted: int | None, *, processes_here: int) -> None:
    """Compute with as many threads as wanted, or with this process's share of the cores.

    So many for an operation, and so many operations at a time: one thread is really one. Must come
    before TensorFlow's first operation, after which it is an error.
    """
    if wanted is None and processes_here == 1:
        return
    share = max(1, len(os.sched_getaffinity(0)) // processes_here)
    tf.config.threading.set_intra_op_parallelism_threads(wanted or share)
    tf.config.threading.set_inter_op_parallelism_threads(wanted or share)
