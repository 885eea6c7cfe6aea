"""Several processes with a device each, on one machine or many: gradients meet in all-reduces.

Every rank holds all variables, and has the same values after each step, so that evaluation and
checkpoints need no synchronisation. Horovod knows TensorFlow's variables, not Keras': it is given
`variable.value`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from training.backend import tf
from training.evaluation.evaluate import Counts
from training.memory import Memory
from training.modes.backward_order import kernels_before_lower_layers
from training.modes.horovod_environment import local_rank
from training.modes.one_by_one import OneByOne
from training.step import Update

_T = TypeVar("_T")

# What goes into one all-reduce. Several, so that the first ones travel while the backward pass
# still computes; not many, as each costs a round of agreement and its latency: ResNet-50's 94 MB
# are five. 25 MB is also what PyTorch's DistributedDataParallel found to be good.
BUCKET_BYTES = 25 * 2**20
# Nothing is left to compute while the last one travels, so it is small. The first layers have few
# weights and much work: ResNet-50's first 5.5 MB are nearly half of the backward pass.
LAST_BUCKET_BYTES = 6 * 2**20

# With other groups or tensors mixed into a message as they happen to be ready, where the ring cuts
# it, and so the order of sums, would depend on time; a run of three ranks wouldn't repeat itself.
_DEFAULTS = {
    "HOROVOD_DISABLE_GROUP_FUSION": "1",
    # Ranks come up at different speeds on busy machines.
    "HOROVOD_GLOO_TIMEOUT_SECONDS": "120",
    # What its ranks say about each other's end is said once, by the launcher.
    "HOROVOD_LOG_LEVEL": "fatal",
}
# Ranks ask each other this often (in ms) what is ready to be sent. At Horovod's 1 ms asking costs
# each of them 5% of a core, at 5 ms 2%. Processors that have to compute lose more by that than by
# waiting for a few messages in a step of seconds; not so GPUs, nor steps of a hundred messages.
# Not for ranks that join a second time: Horovod 0.28.1 then writes its default interval over the
# size of messages, other ranks cut theirs elsewhere, and all of them crash.
_PATIENT = {"HOROVOD_CYCLE_TIME": "5"}


class HorovodMode:
    """See `training.modes.base.Mode`. Making one joins the other ranks, which takes all of them.

    `compress` and `sync_norm` are those of the recipe: with "fp16" gradients are sent as halves;
    with `sync_norm` each layer waits for messages.
    """

    shares_variables = False

    def __init__(
        self,
        *,
        name: str = "horovod",
        compress: str = "none",
        sync_norm: bool = False,
        parts: int | None = None,
        memory: Memory | None = None,
    ) -> None:
        elastic = memory is not None
        patient = not (sync_norm or elastic or tf.config.list_physical_devices("GPU"))
        for variable, value in (_DEFAULTS | (_PATIENT if patient else {})).items():
            os.environ.setdefault(variable, value)
        import horovod.tensorflow as hvd

        self._hvd = hvd
        hvd.init()
        self._compression = hvd.Compression.fp16 if compress == "fp16" else hvd.Compression.none
        self.name = name
        self.index: int = hvd.rank()
        self.count: int = hvd.size()
        # An elastic run is one of as many devices as it can have, whatever it has just now.
        self.parts: int = parts or self.count
        self.world_size = self.parts
        self.memory = memory

    @property
    def writes_files(self) -> bool:
        """Whether this is rank 0."""
        return self.index == 0

    def build(self, make: Callable[[], _T]) -> _T:
        """Build in place."""
        return make()

    def runner(self, update: Update) -> OneByOne:
        """Return a runner of one step at a time."""
        return OneByOne(update)

    def average(
        self, gradients: Sequence[Any], others: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Return both averaged over all ranks: the gradients in a few all-reduces, then the others.

        Gradients meet in the order in which the backward pass computes them, last layers first.
        """
        kernels_before_lower_layers(gradients[0].graph)
        means: list[Any] = [None] * len(gradients)
        sizes = [gradient.dtype.size * gradient.shape.num_elements() for gradient in gradients]
        for number, bucket in enumerate(buckets(sizes)):
            reduced = self._hvd.grouped_allreduce(
                [gradients[each] for each in bucket],
                op=self._hvd.Average,
                compression=self._compression,
                name=f"gradients_{number}",
            )
            for each, mean in zip(bucket, reduced, strict=True):
                means[each] = mean
        return means, self._hvd.grouped_allreduce(list(others), op=self._hvd.Average, name="others")

    def average_moments(self, moments: Any) -> Any:
        """Return moments [2, C] averaged over all ranks; gradients flow back to all of them."""
        return self._hvd.allreduce(moments, op=self._hvd.Average)

    def total(self, counts: Counts) -> Counts:
        """Return the sum of all ranks' counts, added in the order of the ranks."""
        return sum(self._hvd.allgather_object(counts, name="counts"), Counts())

    def agree(self, wish: bool) -> bool:
        """Return on all ranks whether any of them has the wish."""
        wishes = tf.constant([int(wish)], tf.int32)
        return bool(self._hvd.allreduce(wishes, op=self._hvd.Max, name="wish").numpy()[0])

    def share(self, value: _T) -> _T:
        """Return rank 0's value on all ranks."""
        shared: _T = self._hvd.broadcast_object(value, root_rank=0, name="shared")
        return shared

    def share_variables(self, variables: Sequence[Any]) -> None:
        """Give the variables of all ranks the values of rank 0."""
        # Numbered, as a model and its moving average have variables of the same names.
        for number, variable in enumerate(variables):
            value = self._hvd.broadcast(variable.value, root_rank=0, name=f"variable_{number}")
            variable.value.assign(value)

    def local(self, model: Any) -> Any:
        """Return the model itself."""
        return model


def use_own_gpu() -> None:
    """See only this rank's GPU, where there are any; before TensorFlow's first operation."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[local_rank() % len(gpus)], "GPU")


def lost_peer(error: Exception) -> bool:
    """Return whether an error says no more than that another rank isn't there any more."""
    from horovod.common.exceptions import HorovodInternalError

    if isinstance(error, HorovodInternalError):
        return True
    # What TensorFlow makes of it: the operation's error, with the words of the library below.
    failed = isinstance(error, tf.errors.UnknownError | tf.errors.AbortedError)
    return failed and any(word in str(error).lower() for word in ("horovod", "gloo", "nccl"))


def buckets(
    sizes: Sequence[int], limit: int = BUCKET_BYTES, last: int = LAST_BUCKET_BYTES
) -> list[list[int]]:
    """Return the positions of `sizes`, last first, in runs that add up to at most `limit`.

    The last run adds up to at most `last`. What is larger than the limit is alone in its run.
    """
    runs: list[list[int]] = []
    room = -1
    for position, size in enumerate(sizes):
        if size > room:
            room = limit if runs else last
            runs.append([])
        runs[-1].append(position)
        room -= size
    return [run[::-1] for run in reversed(runs)]
